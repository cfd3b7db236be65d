// Copies a key's text for whoever is about to hand it over; where the browser does not let a page copy, selects it.
const secret = document.getElementById("secret");
const button = document.getElementById("copy");
const copied = document.getElementById("copied");

button.hidden = false;
button.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(secret.value);
    copied.textContent = "Copied.";
  } catch {
    secret.select();
    copied.textContent = "Selected: copy it with your keyboard.";
  }
});

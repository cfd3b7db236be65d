// Follows a plan that is being played: asks once a second how far it has come, and reads the page anew when it has ended.
const trial = document.getElementById("trial");
const bar = document.getElementById("bar");
const soFar = document.getElementById("so-far");
const PERIOD_MS = 1000;

async function follow() {
  try {
    const response = await fetch(trial.dataset.progress, { headers: { accept: "application/json" }, redirect: "manual" });
    if (!response.ok) throw new Error(`${response.status}`);
    const { state, done, of } = await response.json();
    if (state !== "under_way") { location.replace(location.href); return; }
    bar.value = done;
    soFar.textContent = `${done.toLocaleString("en")} of ${of.toLocaleString("en")} plays`;
  } catch {
    soFar.textContent = "Headgate does not answer; asking again.";
  }
  setTimeout(follow, PERIOD_MS);
}

if (trial !== null) setTimeout(follow, PERIOD_MS);

// A link carries its text behind "#", which never leaves the browser by itself. It is put into the form, taken out of the
// address and out of the history, and sent.
const text = location.hash.slice(1);
if (text !== "") {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("by-link");
  form.elements.link.value = text;
  form.requestSubmit();
}

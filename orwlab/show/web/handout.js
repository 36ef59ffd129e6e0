// The handout's only button.

/** Opens the browser's window for printing. */
function printHandout() {
  document.querySelector(".print").addEventListener("click", () => window.print());
}

printHandout();

// On paper the stage is no wider than the sheet, and nobody draws it again: it is printed as it was on the screen.

const SHEET = 660; // CSS pixels across an A4 page within its margins

/** Has the style sheet know, when the page is printed, how large the picture within `element` was on the screen. */
export function keepForPaper(element) {
  addEventListener("beforeprint", () => {
    const picture = element.querySelector(".orw-picture");
    if (!picture) return;
    const { width, height } = picture.getBoundingClientRect();
    picture.style.setProperty("--screen-width", `${width}px`);
    picture.style.setProperty("--screen-height", `${height}px`);
    picture.style.setProperty("--on-paper", Math.min(1, SHEET / width));
  });
}

// The Words page: sentences that are typed or pressed, and what is learned from.

const WORDS_LESSONS = {
  this: "What is drawn and learned from. Another sentence starts again.",
  set: "What is drawn. It is not learned from, and another one can be tried at any time.",
};

class WordsPage extends AlbumPage {
  get always() { return { task: "words" }; }

  /** What the box does depends on what is learned from. */
  arrange() {
    super.arrange();
    const { prompt, lesson } = this.controls, sentence = WORDS_LESSONS[lesson.value];
    prompt.sentence = sentence;
    if (!prompt.element.classList.contains("wrong")) prompt.problem(null);
    for (const button of this.root.querySelectorAll("[data-sentence]")) {
      button.setAttribute("aria-pressed", String(button.dataset.sentence === this.inForce.prompt));
    }
  }

  chosen(name, value) {
    super.chosen(name, value);
    if (name === "lesson") this.arrange();
  }

  listen() {
    super.listen();
    this.root.addEventListener("click", ({ target }) => {
      const button = target.closest(".hard [data-sentence]"); // those beside the box are its own
      if (button) this.controls.prompt.take(button.dataset.sentence);
    });
  }
}

// The Images page: digits or photographs, and which alpha takes them to a goal.

class ImagesPage extends AlbumPage {
  get gathers() { return ["wanted"]; }

  /** Only what the chosen task has. */
  arrange() {
    super.arrange();
    const digits = this.controls.task.value === "digits";
    this.controls.wanted.element.hidden = !digits;
    this.controls.files.element.hidden = digits;
  }

  chosen(name, value) {
    super.chosen(name, value);
    if (name === "task") this.arrange();
  }

  // ---- which alpha

  showGoal({ name, goal, numbers: [paid] }) {
    this.goalOf = name;
    this.find("[data-goal=value]").value = String(goal);
    this.find(".images-goal-name").textContent = paid.kind === "share" ? "a mean reward of" : "a mean size in bytes of";
    this.find(".images-found").textContent = "";
    this.find("[data-goal=take]").hidden = true;
  }

  async suggest() {
    const said = this.find(".images-found"), take = this.find("[data-goal=take]"), goal = numberIn(this.find("[data-goal=value]").value);
    take.hidden = true;
    if (typeof goal !== "number") {
      said.textContent = `The goal is “${goal.slice(0, 40)}”; allowed: a number, such as 0.8.`;
      return;
    }
    said.textContent = "Looking at the reference’s rewards …";
    let answer = null;
    try {
      answer = await this.ask({ what: "suggest", run: this.run, goal });
    } catch {
      answer = { error: ALBUM_FAILS };
    }
    said.textContent = answer.error ?? answer.said;
    if (answer.error) return;
    this.suggested = answer.alpha;
    take.hidden = false;
    take.querySelector(".word").textContent = `Put α at ${answer.alpha}`;
  }

  // ---- hands

  listen() {
    super.listen();
    this.find("[data-goal=take]").addEventListener("click", () => {
      this.controls.alpha.show(this.suggested);
      this.chosen("alpha", this.suggested);
    });
    this.find(".images-goal").addEventListener("submit", (event) => {
      event.preventDefault();
      this.suggest();
    });
    this.find("[data-goal=value]").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // it leaves the box and nothing else
      event.target.blur();
    });
  }
}

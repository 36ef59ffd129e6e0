// All controls in somebody's hand: the Pocket lab over the page. It computes in the browser, so that a class of any size
// costs the server one file for each.
//
//   const whole = new WholeLab(element, { root, send });   // element: what the dialog becomes a part of
//   whole.open(link);                                      // the lab begins with this scene
//   whole.close();                                         // it is gone, and computes no more
//   whole.link                                             // the scene as it is there now, "" while nothing is open
//
// send(link) -> promise, rejected with a sentence if it was not taken; null: nothing can be sent. root: the way to the app.

class WholeLab {
  constructor(element, { root, send = null }) {
    Object.assign(this, { root, send, frame: null });
    this.dialog = make("dialog", "whole-lab");
    this.dialog.setAttribute("aria-label", "All controls");
    const head = make("div", "whole-head"), back = make("button", "", "Back");
    back.type = "button";
    back.addEventListener("click", () => this.close());
    head.append(back);
    if (send) {
      this.sender = make("button", "primary", "Send this to the teacher");
      this.sender.type = "button";
      this.sender.addEventListener("click", () => this.pass());
      head.append(this.sender);
    }
    this.said = make("p", "whole-said");
    this.said.setAttribute("role", "status");
    head.append(this.said);
    this.dialog.append(head);
    this.dialog.addEventListener("close", () => this.leave());
    element.append(this.dialog);
  }

  open(link) {
    this.leave();
    this.base = link;
    this.frame = make("iframe", "whole-frame");
    this.frame.title = "Pocket lab";
    const look = document.documentElement.classList.contains("dark") ? "dark" : "light";
    this.frame.src = `${this.root}pocket?__theme=${look}#${link}`;
    this.dialog.append(this.frame);
    this.dialog.showModal();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
    this.leave(); // the dialog's own event comes later
  }

  leave() {
    this.frame?.remove();
    this.frame = null;
    setText(this.said, "");
  }

  get link() {
    if (!this.frame) return "";
    const { lab } = this.frame.contentDocument?.querySelector(".lab") ?? {};
    return lab?.memory.ready ? lab.memory.link() : this.base; // not there yet: what it will begin with
  }

  async pass() {
    this.sender.disabled = true;
    setText(this.said, "Sending …");
    setText(this.said, (await notSent(this.send, this.link)) || "Sent, as it is now.");
    this.sender.disabled = false;
  }
}

/** Sends a link to the teacher. Why that could not be, in a sentence; "" where it was taken. */
async function notSent(send, link) {
  try {
    const answer = await send(link);
    return answer?.error ?? "";
  } catch (error) {
    return error instanceof TypeError || !error?.message ? "It could not be sent. Try again." : error.message; // fetch has no words for people
  }
}

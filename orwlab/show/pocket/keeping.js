// What somebody takes home from the Pocket lab: the answers of web/keeping.py to keep.js that need no server.

const IN_THE_APP = {
  picture: "Films are made by the app: this page's link shows the same there.",
  gif: "Films are made by the app: this page's link shows the same there.",
};

const SMALL = "The small network of this page is not Python's: choose “Exact”, and the cell prints the numbers of the exact answer.";

/**
 * Answers keep.js: {what, ...} -> {text, ...} or {error}.
 *
 * replay: {shell, place, style, script, title, note, hidden, revealed}, the page of a replay with words that stand for its
 * parts, see pocket_page.py; stage: {style, script}, the parts that this page has itself; cell: {text, story};
 * points(text) -> promise of {value, report}: what the worker makes of a table.
 */
export const answerKeeping = ({ replay, stage, cell, points }) => async (question) => {
  const { what } = question;
  if (what === "replay") return { text: replayShell(replay, stage, question), place: replay.place };
  if (what === "cell") return pocketCell(cell, question);
  if (what === "points") return points(question.text).catch(({ message }) => ({ error: message }));
  return { error: IN_THE_APP[what] ?? "This needs the app." };
};

/** The page of a replay, still without its pictures. */
function replayShell(replay, stage, { title, note, revealed }) {
  const parts = {
    [replay.title]: inHtml(title || "A replay"), [replay.note]: inHtml(note ?? ""), [replay.style]: stage.style, [replay.script]: stage.script,
    [replay.hidden]: revealed === true ? replay.revealed : replay.hidden,
  };
  return Object.entries(parts).reduce((text, [word, part]) => text.replaceAll(word, () => part), replay.shell);
}

/** Python that repeats the run. */
function pocketCell({ text, story }, question) {
  if (question.mode !== "exact") return { error: SMALL };
  if ((question.story?.scene?.methods ?? []).length) return { error: "Methods that race are networks: their cell is written by the app." };
  const given = JSON.stringify(JSON.stringify(question.story)); // what JSON writes of a text is a text of Python's too
  return { text: text.replace(story, () => given) };
}

const inHtml = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&#x27;");

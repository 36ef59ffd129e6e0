// Which of the search's finds come first: all as Sphinx has it, but that members of classes share their short names with
// everything. "alpha" is a word of the notebooks first, and a property for those who type the class's name before it.
const dotted = new URLSearchParams(location.search).get("q")?.includes(".");
var Scorer = {
  score: ([page, , , says, score, , kind]) => {
    if (kind === "object" && /^Python (method|property|attribute)/.test(says)) return score + (dotted ? 10 : -14);
    if (kind === "object") return score;
    return score + (/^notebooks\/\d/.test(page) ? 1 : page.startsWith("api/") ? -3 : 0);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

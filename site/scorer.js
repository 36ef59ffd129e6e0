// What the search looks for, and which of its finds come first: as Sphinx has it, but that
// - other spellings and other people's words are led to those of the pages, as `conf.py` spells the index,
// - whole words come before parts of words: "DPO" is neither DDPO nor a part of FixedPoint,
// - members of classes share their short names with everything. "alpha" is a word of the notebooks first, and a property for
//   those who type the class's name before it,
// - who asks for a symbol is led to the pages that explain symbols.
const ALIASES = {
  overfitting: ["collapse"],
  overfit: ["collapse"],
  overoptimisation: ["reward", "hacking"],
  overoptimise: ["reward", "hacking"],
  overoptimised: ["reward", "hacking"],
  goodhart: ["reward", "hacking"],
};
const GREEK = { α: "alpha", β: "beta", γ: "gamma", δ: "delta", θ: "theta", λ: "lambda", ν: "nu", ρ: "rho", σ: "sigma", τ: "tau" };
const SYMBOLS = new Set([...Object.values(GREEK), "w", "q", "z", "v", "w2"]);
const EXPLAINED = ["notebooks/notation", "the_words"];

function spelt(text) {
  return text
    .toLowerCase()
    .replace(/[⁰¹²³⁴-⁹]/g, " ")
    .replace(/[₀-₉]/g, (digit) => digit.charCodeAt(0) - 0x2080)
    .replace(/[αβγδθλνρστ]/g, (letter) => ` ${GREEK[letter]} `)
    .replace(/\bw_2\b/g, "w2")
    .replace(/(\p{L}{3})iz(e|ed|es|er|ers|ing|ation|ations)\b/gu, "$1is$2");
}

function terms(query) {
  return spelt(query)
    .split(/[^\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu)
    .filter((term) => term)
    .flatMap((term) => (Object.hasOwn(ALIASES, term) ? ALIASES[term] : term));
}
var splitQuery = terms; // of Sphinx's search

const asked = new URLSearchParams(location.search).get("q") ?? "";
const wanted = terms(asked);

/** Whether each word that is asked for is a whole one of these; plain plurals are. */
function whole(name) {
  const apart = name.replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2").replaceAll("_", " ");
  const words = new Set([...terms(name), ...terms(apart)]);
  return wanted.every((word) => words.has(word) || words.has(`${word}s`) || words.has(word.replace(/s$/, "")));
}

var Scorer = {
  score: (found) => {
    const [page, title, , says, score, , kind] = found;
    if (kind === "object") {
      if (!whole(title)) return score - 30;
      return /^Python (method|property|attribute)/.test(says) ? score + (asked.includes(".") ? 10 : -14) : score;
    }
    const number = /^notebooks\/(\d\d)_/.exec(page)?.[1];
    if (number) found[1] = `${number} ${title}`; // as in the list at the side
    if (kind === "title" && !whole(title)) return score - 30;
    const explained = wanted.length === 1 && SYMBOLS.has(wanted[0]) && kind === "text" && EXPLAINED.includes(page);
    return score + (explained ? 30 : number ? 1 : page.startsWith("api/") ? -3 : 0);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 3,
  term: 5,
  partialTerm: 1,
};

// Colours and type. Okabe and Ito's colours for modes. The lanes' four are farther apart for people who see no red or no
// green, where Okabe and Ito's green and pink are one grey (a test simulates it).

const OKABE_ITO = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"];

// lanes: words and lines, dots: the particles of several lanes, mass: an exact density over whatever ground. Vermilion belongs to what is exact, grey to
// the data; orange would be too near.
export const THEMES = {
  light: {
    text: "#1b2430", muted: "#525d6e", grid: "rgba(27,36,48,0.09)", frame: "rgba(27,36,48,0.30)",
    change: "rgba(27,36,48,0.28)", ghost: "rgba(27,36,48,0.50)", panel: "#f7f8fa", blank: "#eceff3",
    reward: [[247, 248, 250], [205, 193, 238]], density: [[247, 248, 250], [172, 182, 196]],
    mass: { color: [213, 94, 0], opacity: 0.6 }, rim: "rgba(20,26,36,0.55)", exact: "#BF4E00", contour: "#D55E00",
    particles: [...OKABE_ITO, "#333333"], lanes: ["#0f4fd6", "#0f6b4b", "#b3249c", "#1b2430"],
    dots: ["#1f5fe0", "#04b078", "#a63a8c", "#1b2430"], series: ["#0f4fd6", "#0f6b4b", "#b3249c", "#5b6472"],
    arrow: "rgba(27,36,48,0.62)", trail: "#1b2430", truth: [[247, 248, 250], [163, 217, 196]], true: "#00694c",
  },
  dark: {
    text: "#eef2f7", muted: "#a9b4c4", grid: "rgba(238,242,247,0.11)", frame: "rgba(238,242,247,0.32)",
    change: "rgba(238,242,247,0.30)", ghost: "rgba(238,242,247,0.55)", panel: "#10151e", blank: "#0a0e15",
    reward: [[16, 21, 30], [72, 56, 122]], density: [[16, 21, 30], [84, 96, 114]],
    mass: { color: [255, 122, 51], opacity: 0.5 }, rim: "rgba(4,7,12,0.75)", exact: "#FF8B4D", contour: "#FF7A33",
    particles: ["#3D9BE0", ...OKABE_ITO.slice(1), "#FFFFFF"], lanes: ["#1f83fa", "#25ba82", "#d681cb", "#ffffff"],
    dots: ["#1f83fa", "#25ba82", "#d681cb", "#ffffff"], series: ["#1f83fa", "#25ba82", "#d681cb", "#b7c0ce"],
    arrow: "rgba(238,242,247,0.66)", trail: "#eef2f7", truth: [[16, 21, 30], [10, 92, 70]], true: "#25ba82",
  },
};

const FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';

export const font = (size, weight = 400) => `${weight} ${size}px ${FAMILY}`;

/** The size of small print beside words of a size: never below what one can read. */
export const smallOf = (size, least = 13) => Math.max(least, Math.round(0.82 * size));

/** Whether the first painted background behind an element is dark; works for every host without knowing its classes. */
export function isDark(element) {
  for (let node = element; node; node = node.parentElement) {
    const parts = getComputedStyle(node).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (parts.length >= 3 && (parts[3] ?? 1) > 0.5) return 0.3 * parts[0] + 0.6 * parts[1] + 0.1 * parts[2] < 110;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

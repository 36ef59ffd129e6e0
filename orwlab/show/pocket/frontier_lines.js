// A frontier as points {distance, reward, price, highest}, from the reference on, and the lines that each point gives.

/**
 * The largest mean reward that any density can have at a distance: the least of all lines `reward + price * (at - distance)`.
 * Each bounds every density, so this does; it is above the frontier by what lies between two prices, see `slackAt`.
 */
export function mostAt({ distance, reward, price, highest }, at) {
  if (at <= 0) return reward[0];
  let most = highest;
  for (let k = 1; k < price.length; k++) most = Math.min(most, reward[k] + price[k] * (at - distance[k]));
  return most;
}

/** How far the lines of points k and k + 1 meet above the straight way between the two; the frontier is in between. */
export function slackAt({ distance, reward, price }, k) {
  const [steep, flat] = [price[k], price[k + 1]], across = distance[k + 1] - distance[k], up = reward[k + 1] - reward[k];
  if (!(steep > flat && across > 0)) return 0;
  const meet = Math.min(across, Math.max(0, steep < Infinity ? (up - flat * across) / (steep - flat) : 0));
  return Math.max(0, up - flat * (across - meet) - (up * meet) / across);
}

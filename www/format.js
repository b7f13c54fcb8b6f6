// Numbers for people. Decimal units, as download pages and disks use them.

const UNITS = /** @type {const} */ (["B", "kB", "MB", "GB", "TB"]);
const SCALES = /** @type {const} */ (["", " thousand", " million", " billion"]);

/**
 * 145300000 → "145.3 MB". One decimal from MB on, so that a running number keeps its width.
 * @param {number} count
 */
export function bytes(count) {
  let [value, unit] = [count, 0];
  while (value >= 999.95 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value.toFixed(unit >= 2 ? 1 : 0)} ${UNITS[unit]}`;
}

/**
 * 134515008 → "134.5 million"
 * @param {number} count
 */
export function approximate(count) {
  let [value, scale] = [count, 0];
  while (value >= 999.95 && scale < SCALES.length - 1) [value, scale] = [value / 1000, scale + 1];
  return `${scale === 0 ? value : Number(value.toFixed(1))}${SCALES[scale]}`;
}

/**
 * 4096 → "4,096"
 * @param {number} value
 */
export function integer(value) {
  return Math.round(value).toLocaleString("en");
}

/**
 * @param {number} ms
 */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/**
 * Time still to wait: whole seconds, for it is an estimate.
 * @param {number} seconds
 */
export function remaining(seconds) {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.ceil(seconds / 60)} min`;
}

/**
 * @param {number} perSecond
 */
export function tokenRate(perSecond) {
  return `${perSecond >= 100 ? integer(perSecond) : perSecond.toFixed(1)} tok/s`;
}

/**
 * @param {number} count
 * @param {string} singular
 */
export function plural(count, singular) {
  return `${integer(count)} ${singular}${count === 1 ? "" : "s"}`;
}

/**
 * The part of a model's address that people recognise: the file's name.
 * @param {string} address
 */
export function fileName(address) {
  return address.split(/[?#]/)[0]?.split("/").filter(Boolean).pop() ?? address;
}

/*
 * Following a growing text: the view stays at its end while the reader is there, and is left alone once they scroll up.
 */

const NEAR_END_PX = 48;

/** @param {HTMLElement} scroller */
export function followScroll(scroller) {
  let atEnd = true;
  scroller.addEventListener("scroll", () => (atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX), { passive: true });
  const toEnd = () => {
    atEnd = true;
    scroller.scrollTop = scroller.scrollHeight;
  };
  return { toEnd, keep: () => atEnd && toEnd() };
}

// Runs in a page after Readability.js; the value of its last expression is the answer.
(() => {
  // Readability takes a document apart, so it gets a copy.
  const article = new Readability(/** @type {Document} */ (document.cloneNode(true))).parse();
  const text = article?.textContent?.trim() || document.body.innerText;
  return { title: article?.title || document.title, url: location.href, text: text.replaceAll(/[ \t]+/gu, " ").replaceAll(/\s*\n\s*\n\s*/gu, "\n\n") };
})();

// Tells the shop that opened this page what happened; the page itself works without script.
"use strict";
(() => {
  const { origin, result, error } = document.body.dataset;
  const tell = (type, data) => {
    if (origin && window.parent !== window) window.parent.postMessage({ source: "razorpay", type, data }, origin);
  };
  if (error) tell("failed", JSON.parse(error));
  if (result) setTimeout(() => tell("success", JSON.parse(result)), 600); // time to read the message
  document.getElementById("leave")?.addEventListener("click", () => tell("dismiss"));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !result) tell("dismiss");
  });
})();

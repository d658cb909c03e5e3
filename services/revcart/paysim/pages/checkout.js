// window.Razorpay as shops use it: new Razorpay({key, amount, currency, name, order_id, handler, prefill, modal}).open()
"use strict";
(() => {
  const home = new URL(document.currentScript.src).origin;

  class Razorpay {
    #options;
    #listeners = {};
    #dialog = null;
    #onMessage = (event) => this.#receive(event);

    constructor(options) {
      if (!options || !options.key || !options.order_id) throw new Error("Razorpay: key and order_id are required");
      this.#options = options;
    }

    on(name, listener) {
      (this.#listeners[name] ??= []).push(listener);
      return this;
    }

    open() {
      if (this.#dialog) return;
      const { key, order_id, name = "" } = this.#options;
      const query = new URLSearchParams({ key, order_id, name, origin: window.location.origin });
      const frame = document.createElement("iframe");
      frame.src = `${home}/checkout?${query}`;
      frame.title = `Payment for ${name || "your order"}`;
      frame.style.cssText = "border:0;width:100%;height:100%";
      const dialog = document.createElement("dialog");
      dialog.setAttribute("aria-label", frame.title);
      dialog.style.cssText = "padding:0;border:0;border-radius:12px;width:min(30rem,100vw);height:min(40rem,95vh)";
      dialog.append(frame);
      dialog.addEventListener("cancel", (event) => {
        event.preventDefault();
        this.#dismiss();
      });
      document.body.append(dialog);
      window.addEventListener("message", this.#onMessage);
      this.#dialog = dialog;
      dialog.showModal();
      frame.focus();
    }

    close() {
      window.removeEventListener("message", this.#onMessage);
      this.#dialog?.close();
      this.#dialog?.remove();
      this.#dialog = null;
    }

    #dismiss() {
      this.close();
      this.#options.modal?.ondismiss?.();
    }

    #receive(event) {
      const frame = this.#dialog?.querySelector("iframe");
      if (event.origin !== home || event.source !== frame?.contentWindow || event.data?.source !== "razorpay") return;
      const { type, data } = event.data;
      if (type === "success") {
        this.close();
        this.#options.handler?.(data);
      } else if (type === "failed") {
        for (const listener of this.#listeners["payment.failed"] ?? []) listener({ error: data });
      } else if (type === "dismiss") {
        this.#dismiss();
      }
    }
  }

  window.Razorpay = Razorpay;
})();

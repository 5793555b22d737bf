/**
 * Adding a phone: a QR code to scan, valid for ten minutes. Only the owner has the PIN; this page never receives it.
 */

import { Dialog, byId, post } from "./dialog.js";

const FIELDS = `<div class="fields" tabindex="-1">
  <p id="invite-how" data-i18n="invite.how"></p>
  <img id="qr" alt="" hidden>
  <p id="invite-url" class="big"></p>
  <p id="invite-left" class="note" role="status"></p>
  <p id="invite-error" role="alert"></p>
</div>`;

export default class Invite {
  #dialog;
  #tools;
  #invitation = /** @type {any} */ (null);
  #until = 0;
  #timer = 0;
  #code = "";

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("invite", tools, FIELDS);
    this.#dialog.element.addEventListener("close", () => this.#forget());
    tools.words.listen(() => this.#show());
  }

  async open() {
    this.#forget();
    await this.#dialog.show();
    const { status, answer } = await post("/api/v1/invite", {});
    if (status === 200) {
      this.#invitation = answer;
      this.#until = performance.now() + answer.expires_in_s * 1000;
    } else this.#code = answer.error?.code ?? "error";
    this.#show();
  }

  /** Remove the code from the page. */
  #forget() {
    clearTimeout(this.#timer);
    this.#invitation = null;
    this.#code = "";
    this.#show();
  }

  #show() {
    const { words } = this.#tools;
    const invitation = this.#invitation;
    const left_s = Math.max(0, (this.#until - performance.now()) / 1000);
    const live = invitation && left_s > 0;
    const reachable = live && invitation.qr;
    byId("qr").hidden = !reachable;
    if (reachable) byId("qr").src = invitation.qr;
    else byId("qr").removeAttribute("src");
    byId("qr").alt = words.say("invite.qr");
    byId("invite-how").textContent = words.say(invitation && !invitation.url ? "invite.alone" : "invite.how");
    byId("invite-url").textContent = live ? (invitation.url ?? "") : "";
    const minutes = Math.ceil(left_s / 60);
    const left = reachable ? words.say("invite.left", { minutes }) : "";
    byId("invite-left").textContent = this.#code || live ? left : words.say(invitation ? "invite.over" : "invite.asking");
    byId("invite-error").textContent = this.#code && (words.say(`pair.${this.#code}`) || words.say("pair.error"));
    clearTimeout(this.#timer);
    if (live) this.#timer = setTimeout(() => this.#show(), 5000);
  }
}

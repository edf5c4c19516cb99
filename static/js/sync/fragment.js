// A part of the page that the server renders: fetched when its key, which is made from `structure`, changes; gone when
// that is "".

import { Request } from "../lib/request.js";

export class Fragment {
  #keyOf;
  #spacing;
  #onHtml;
  #request;
  #wanted;
  #asked;
  #shown;
  #etag; // of what is shown

  /**
   * keyOf(structure); served: the structure that the page was served with, if it was served with this part.
   * read(signal, etag): fetches it. onHtml(html):
   * takes it. spacing: least ms between two requests, for one that changes often: what is in the air then is taken all
   * the same, and followed by another.
   */
  constructor({ keyOf, served, read, onHtml, spacing = 0 }, outside) {
    this.#keyOf = keyOf;
    this.#spacing = spacing;
    this.#onHtml = onHtml;
    if (served) this.#wanted = this.#shown = keyOf(served);
    const send = (signal) => {
      this.#asked = this.#wanted;
      return read(signal, this.#etag);
    };
    this.#request = new Request(
      { send, take: (answer) => this.#take(answer), isWanted: () => this.#wanted !== this.#shown, spacing },
      outside,
    );
  }

  /** Is told of the structure that is shown now. mayAsk: whether it may be fetched at once; if not, `start` does it. */
  follow(structure, mayAsk) {
    const key = this.#keyOf(structure);
    if (key === this.#wanted) return;
    this.#wanted = key;
    if (key === "" || !this.#spacing) this.drop();
    if (key === "") this.#show("");
    else if (mayAsk) this.start();
  }

  /** Fetches it if it isn't the one that is wanted. */
  start() {
    if (this.#wanted !== this.#shown) this.#request.ask();
  }

  drop() {
    this.#request.drop();
  }

  #take({ status, body, etag }) {
    if (status === 404) return false; // the job is gone, which `structure` will say
    if (status === 200) this.#etag = etag;
    if (status === 200) this.#show(body, this.#asked);
    else this.#shown = this.#asked; // nothing has changed
    return true;
  }

  #show(html, key = "") {
    this.#shown = key;
    this.#onHtml(html);
  }
}

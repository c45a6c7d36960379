import type { Share, SharedFile } from "./schema.js";
import { Transport } from "./transport.js";
import type { Call, ClientOptions } from "./transport.js";
import { sendForm } from "./uploads.js";
import type { UploadOptions } from "./uploads.js";

/**
 * Somebody without an account at the link of a share. The session that opening gives is a cookie: browsers keep it (for
 * pages of the gateway's own origin), elsewhere this object does.
 */
export class Guest {
  readonly #transport: Transport;
  readonly #token: string;
  readonly #call: Call;

  /** `url`: the link, as `shares.create` has answered it; TypeError where it is none. */
  constructor(url: Share["url"], options: Omit<ClientOptions, "url" | "token"> = {}) {
    const [base, token] = /^(.*)\/s\/([^/?#]+)/.exec(url ?? "")?.slice(1) ?? [];
    if (base === undefined || token === undefined) throw new TypeError("this is no link of a share");
    this.#token = decodeURIComponent(token);
    const asked = options.fetch ?? ((input: RequestInfo | URL, init?: RequestInit) => fetch(input, init));
    this.#transport = new Transport({ ...options, url: base, fetch: typeof XMLHttpRequest === "undefined" ? withCookie(asked) : asked });
    this.#call = this.#transport.call;
  }

  /** What was shared, or what is needed to open it (SHARE_LOCKED: `metadata.needs`). */
  look(page_token?: string) {
    return this.#call("read_share", { path: this.#path(), query: page_token === undefined ? {} : { page_token } });
  }

  /** A use of the share, with its password where it has one; answers what was shared. */
  async open(password = "") {
    await this.#call("open_share", { path: this.#path(), body: { password } });
    return this.look();
  }

  /** The bytes of one of `files`. */
  read(file: SharedFile) {
    const item = file.url.slice(file.url.indexOf("/file/") + "/file/".length).replace(/[?#].*$/, "");
    const whole = item.split("/").map(decodeURIComponent).join("/");
    return this.#call("read_shared_file", { path: { ...this.#path(), item: whole } });
  }

  /** All of it as a ZIP. */
  archive() {
    return this.#call("read_shared_archive", { path: this.#path() });
  }

  /** Into a drop. */
  send(file: Blob, options: UploadOptions = {}) {
    return sendForm(this.#transport, "drop_files", this.#path(), { file }, options);
  }

  #path(): { token: string } {
    return { token: this.#token };
  }
}

/** Keeps the one cookie there is. */
function withCookie(asked: typeof fetch): typeof fetch {
  let cookie: string | undefined;
  return async (input, init) => {
    const headers = { ...(init?.headers as Record<string, string> | undefined), ...(cookie === undefined ? {} : { cookie }) };
    const response = await asked(input, { ...init, headers });
    const given = response.headers.getSetCookie?.()[0];
    if (given !== undefined) cookie = given.split(";")[0];
    return response;
  };
}

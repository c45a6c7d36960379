import type { Operations, Share, SharedFile } from "./schema.js";
import { Transport } from "./transport.js";
import type { Call, CallOptions, ClientOptions } from "./transport.js";
import { sendForm } from "./uploads.js";
import type { UploadOptions } from "./uploads.js";

/**
 * A guest without an account, who uses the link of a share. Opening the share starts a session, which is a cookie:
 * browsers store it (on pages of the gateway's own origin); elsewhere this object does.
 */
export class Guest {
  readonly #transport: Transport;
  readonly #token: string;
  readonly #call: Call;

  /** `url`: the link returned by `shares.create`. Raises TypeError if it is not a link of a share. */
  constructor(url: Share["url"], options: Omit<ClientOptions, "url" | "token"> = {}) {
    const [base, token] = /^(.*)\/s\/([^/?#]+)/.exec(url ?? "")?.slice(1) ?? [];
    if (base === undefined || token === undefined) throw new TypeError("this is no link of a share");
    this.#token = decodeURIComponent(token);
    const asked = options.fetch ?? ((input: RequestInfo | URL, init?: RequestInit) => fetch(input, init));
    this.#transport = new Transport({ ...options, url: base, fetch: typeof XMLHttpRequest === "undefined" ? withCookie(asked) : asked });
    this.#call = this.#transport.call;
  }

  /** Returns the share's content. Raises StrongroomError SHARE_LOCKED; its `metadata.needs` says what is missing. */
  look(page_token?: string) {
    return this.#call("read_share", { path: this.#path(), query: page_token === undefined ? {} : { page_token } });
  }

  /** Opens the share, which counts as a use, and returns its content. `password`: if the share has one. */
  async open(password = "") {
    await this.#call("open_share", { path: this.#path(), body: { password } });
    return this.look();
  }

  /** Reads one of the share's `files`. */
  read(file: SharedFile, query: Operations["read_shared_file"]["query"] = {}, options?: CallOptions) {
    const item = file.url.slice(file.url.indexOf("/file/") + "/file/".length).replace(/[?#].*$/, "");
    const whole = item.split("/").map(decodeURIComponent).join("/");
    return this.#call("read_shared_file", { path: { ...this.#path(), item: whole }, query }, options);
  }

  /** Reads all files as one ZIP. */
  archive(options?: CallOptions) {
    return this.#call("read_shared_archive", { path: this.#path() }, options);
  }

  /** Uploads a file into a share that is a drop. */
  send(file: Blob, options: UploadOptions = {}) {
    return sendForm(this.#transport, "drop_files", this.#path(), { file }, options);
  }

  #path(): { token: string } {
    return { token: this.#token };
  }
}

/** Wraps fetch: stores the session cookie, the only one, and sends it again. */
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

import type { Code, FieldError, Problem } from "./schema.js";

/** An error response of the service. `code` is for programs (see `CODES`); `message` tells people what to do. */
export class StrongroomError extends Error {
  override readonly name = "StrongroomError";
  /** A newer service may send codes that are not in `Code`. */
  readonly code: Code;
  /** The HTTP status. */
  readonly status: number;
  /** The request's id, for support. */
  readonly requestId: string;
  /** Details defined by the code, such as the limit. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The invalid fields. */
  readonly fields: readonly FieldError[];
  /** Seconds to wait before the next try, if the service says so. */
  readonly retryAfter: number | undefined;

  constructor(problem: Problem, retryAfter?: number) {
    super(problem.detail);
    this.code = problem.code as Code;
    this.status = problem.status;
    this.requestId = problem.request_id;
    this.metadata = problem.metadata ?? {};
    this.fields = problem.errors ?? [];
    this.retryAfter = retryAfter;
  }

  /** Parses an error response, which may also come from a proxy between client and service. */
  static async from(response: Response): Promise<StrongroomError> {
    return StrongroomError.of(response.status, await response.text(), response.headers.get("retry-after"));
  }

  /** Parses the status and the body of an error response. `retryAfter`: the header, if any. */
  static of(status: number, body: string, retryAfter: string | null): StrongroomError {
    const seconds = retryAfter === null ? Number.NaN : Number(retryAfter);
    let problem: Partial<Problem> = {};
    try {
      const parsed: unknown = JSON.parse(body);
      if (typeof parsed === "object" && parsed !== null) problem = parsed;
    } catch {
      problem = {};
    }
    const detail = problem.detail ?? `The service answered ${status}.`;
    const whole: Problem = {
      type: "about:blank",
      title: "",
      code: "UNSPECIFIED",
      request_id: "",
      success: false,
      message: detail,
      ...problem,
      detail,
      status,
    };
    return new StrongroomError(whole, Number.isFinite(seconds) ? seconds : undefined);
  }
}

/** No answer arrived. The service may or may not have carried out the request. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

export function isAborted(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

import { watch } from "./events.js";
import type { WatchOptions } from "./events.js";
import type { DirectBody, LibraryFile, Notification, Operations, SaveBody, StoredFile } from "./schema.js";
import { operatorsOf } from "./operators.js";
import { Transport, newKey, withHeader } from "./transport.js";
import type { Body, Call, CallOptions, ClientOptions, OperationName } from "./transport.js";
import { ResumableUpload, sendDirect, sendForm } from "./uploads.js";
import type { TusOptions, TusTarget, UploadOptions } from "./uploads.js";
import { webhooksOf } from "./webhooks.js";

type Query<Name extends OperationName> = Operations[Name]["query"];
type Fields<Name extends OperationName> = Omit<Body<Name>, "file">;

/** Returns the revision of a file of the library, as `library.edit` takes it. */
export function revisionOf(file: Pick<LibraryFile, "id" | "generation">): string {
  return `"${file.id}-${file.generation}"`;
}

/**
 * A client of one gateway, as one user. Methods raise StrongroomError, ConnectionError and, for paths that can't be, TypeError.
 * Each takes `CallOptions` at the end: an `idempotencyKey`, a `signal` that aborts, further headers (`range`).
 */
export class Strongroom {
  readonly transport: Transport;

  constructor(options: ClientOptions) {
    this.transport = new Transport(options);
    this.call = this.transport.call;
    this.webhooks = webhooksOf(this.call);
    this.admin = operatorsOf(this.transport);
  }

  /** Calls any operation of the OpenAPI document by its name, with types. */
  readonly call: Call;

  /** Webhooks: events are sent to a URL, signed and in order. */
  readonly webhooks: ReturnType<typeof webhooksOf>;

  /** For admins: all users, quotas, verification, infected files, events of all users. */
  readonly admin: ReturnType<typeof operatorsOf>;

  /** Plain files: under uploads/, documents/ or audio/. */
  readonly files = {
    upload: (file: Blob, fields: Fields<"upload"> = {}, options: UploadOptions = {}) =>
      sendForm(this.transport, "upload", {}, { ...fields, file }, options),
    list: (query: Query<"list_files"> = {}, options?: CallOptions) => this.call("list_files", { query }, options),
    read: (key: string, options?: CallOptions) => this.call("file_content", { path: { key } }, options),
    metadata: (key: string, options?: CallOptions) => this.call("file_metadata", { path: { key } }, options),
    exists: async (key: string, options?: CallOptions) => (await this.call("file_exists", { path: { key } }, options)).exists,
    url: async (key: string, query: Query<"file_url"> = {}, options?: CallOptions) =>
      (await this.call("file_url", { path: { key }, query }, options)).url,
    delete: (key: string, query: Query<"delete_file"> = {}, options?: CallOptions) =>
      this.call("delete_file", { path: { key }, query }, options),
  };

  /** Generated pictures and videos. */
  readonly generations = {
    upload: (file: Blob, fields: Fields<"upload_generation">, options: UploadOptions = {}) =>
      sendForm(this.transport, "upload_generation", {}, { ...fields, file }, options),
    import: (body: Body<"create_generation">, options?: CallOptions) => this.call("create_generation", { body }, options),
    importMany: (body: Body<"import_generations">, options?: CallOptions) => this.call("import_generations", { body }, options),
    list: (query: Query<"list_generations"> = {}, options?: CallOptions) => this.call("list_generations", { query }, options),
    get: async (id: string, options?: CallOptions) => (await this.call("get_generation", { path: { id } }, options)).generation,
    read: (id: string, options?: CallOptions) => this.call("generation_content", { path: { id } }, options),
    stats: async (options?: CallOptions) => (await this.call("generation_stats", {}, options)).stats,
    signedUrl: (id: string, query: Query<"generation_url"> = {}, options?: CallOptions) =>
      this.call("generation_url", { path: { id }, query }, options),
    delete: (id: string, query: Query<"delete_generation"> = {}, options?: CallOptions) =>
      this.call("delete_generation", { path: { id }, query }, options),
  };

  /** Photos, videos and documents of events. */
  readonly media = {
    upload: (event_id: string, file: Blob, fields: Fields<"create_event_media"> = {}, options: UploadOptions = {}) =>
      sendForm(this.transport, "create_event_media", { event_id }, { ...fields, file }, options),
    list: (event_id: string, query: Query<"list_event_media"> = {}, options?: CallOptions) =>
      this.call("list_event_media", { path: { event_id }, query }, options),
    get: (event_id: string, media_id: string, options?: CallOptions) =>
      this.call("get_event_media", { path: { event_id, media_id } }, options),
    edit: (event_id: string, media_id: string, body: Body<"update_event_media">, options?: CallOptions) =>
      this.call("update_event_media", { path: { event_id, media_id }, body }, options),
    read: (event_id: string, media_id: string, options?: CallOptions) =>
      this.call("download_event_media", { path: { event_id, media_id } }, options),
    stream: (event_id: string, media_id: string, options?: CallOptions) =>
      this.call("stream_event_media", { path: { event_id, media_id } }, options),
    delete: (event_id: string, media_id: string, query: Query<"delete_event_media"> = {}, options?: CallOptions) =>
      this.call("delete_event_media", { path: { event_id, media_id }, query }, options),
  };

  /** The user's one picture. */
  readonly profilePicture = {
    put: (file: Blob, options: UploadOptions = {}) =>
      sendForm(this.transport, "put_profile_picture", {}, { file }, options),
    read: (options?: CallOptions) => this.call("get_profile_picture", {}, options),
    delete: (options?: CallOptions) => this.call("delete_profile_picture", {}, options),
  };

  /** Files that are deleted automatically. */
  readonly temp = {
    upload: (file: Blob, fields: Fields<"create_temp_file"> = {}, options: UploadOptions = {}) =>
      sendForm(this.transport, "create_temp_file", {}, { ...fields, file }, options),
  };

  /** Trees of files with versions. */
  readonly projects = {
    save: (body: SaveBody, query: Query<"save_project"> = {}, options?: CallOptions) => this.call("save_project", { body, query }, options),
    saveArchive: (slug: string, zip: Blob, query: Query<"save_project_archive"> = {}, options?: CallOptions) =>
      this.call("save_project_archive", { path: { slug }, query, body: zip }, withHeader(options, "content-type", "application/zip")),
    list: (query: Query<"list_projects"> = {}, options?: CallOptions) => this.call("list_projects", { query }, options),
    get: (slug: string, query: Query<"get_project"> = {}, options?: CallOptions) =>
      this.call("get_project", { path: { slug }, query }, options),
    read: (slug: string, path: string, query: Query<"get_project_file"> = {}, options?: CallOptions) =>
      this.call("get_project_file", { path: { slug, path }, query }, options),
    files: (slug: string, query: Query<"list_project_files"> = {}, options?: CallOptions) =>
      this.call("list_project_files", { path: { slug }, query }, options),
    history: (query: Query<"project_history"> = {}, options?: CallOptions) => this.call("project_history", { query }, options),
    archive: (slug: string, query: Query<"get_project_archive"> = {}, options?: CallOptions) =>
      this.call("get_project_archive", { path: { slug }, query }, options),
    versions: async (slug: string, options?: CallOptions) =>
      (await this.call("list_project_versions", { path: { slug } }, options)).versions,
    patch: (slug: string, body: Body<"patch_project">, query: Query<"patch_project"> = {}, options?: CallOptions) =>
      this.call("patch_project", { path: { slug }, body, query }, options),
    rollback: (slug: string, body: Body<"rollback_project">, query: Query<"rollback_project"> = {}, options?: CallOptions) =>
      this.call("rollback_project", { path: { slug }, body, query }, options),
    editVersion: (slug: string, version: number, body: Body<"edit_project_version">, options?: CallOptions) =>
      this.call("edit_project_version", { path: { slug, version }, body }, options),
    /** The version rule: how many versions are kept. */
    versionRule: (slug: string, options?: CallOptions) => this.call("get_version_rule", { path: { slug } }, options),
    setVersionRule: (slug: string, body: Body<"set_version_rule">, options?: CallOptions) =>
      this.call("set_version_rule", { path: { slug }, body }, options),
    clearVersionRule: (slug: string, options?: CallOptions) => this.call("clear_version_rule", { path: { slug } }, options),
    /** Reads a file of the project as its preview serves it; without a path the start page. */
    preview: (slug: string, path = "", options?: CallOptions) =>
      path === ""
        ? this.call("preview_project_folder", { path: { slug } }, options)
        : this.call("preview_project", { path: { slug, path } }, options),
    /** The URL of the newest version's start page. */
    previewIndex: (slug: string, options?: CallOptions) => this.call("preview_project_index", { path: { slug } }, options),
    /** Like `preview`, with the token of a `previewUrl`. */
    readPreview: (token: string, path = "", options?: CallOptions) =>
      path === ""
        ? this.call("show_preview", { path: { token } }, options)
        : this.call("show_preview_file", { path: { token, path } }, options),
    previewUrl: (slug: string, query: Query<"project_preview_url"> = {}, options?: CallOptions) =>
      this.call("project_preview_url", { path: { slug }, query }, options),
    delete: (slug: string, query: Query<"delete_project"> = {}, options?: CallOptions) =>
      this.call("delete_project", { path: { slug }, query }, options),
  };

  /** Files of all families: search, edit, copy, move. `file` is an id or a key. */
  readonly library = {
    list: (query: Query<"list_library_files"> = {}, options?: CallOptions) => this.call("list_library_files", { query }, options),
    get: (file: string, options?: CallOptions) => this.call("get_library_file", { path: { file } }, options),
    /** `ifMatch`: only this revision, see `revisionOf`; else PRECONDITION_FAILED. */
    edit: (file: string, body: Body<"edit_library_file">, ifMatch?: string, options?: CallOptions) =>
      this.call("edit_library_file", { path: { file }, body }, withHeader(options, "if-match", ifMatch)),
    /** Copies and moves are retried after a lost answer. Each has a new key unless the caller passes one. */
    copy: (file: string, body: Body<"copy_library_file">, idempotencyKey = newKey(), options?: CallOptions) =>
      this.call("copy_library_file", { path: { file }, body }, { ...options, idempotencyKey }),
    move: (file: string, body: Body<"move_library_file">, idempotencyKey = newKey(), options?: CallOptions) =>
      this.call("move_library_file", { path: { file }, body }, { ...options, idempotencyKey }),
    delete: (file: string, query: Query<"delete_library_file"> = {}, options?: CallOptions) =>
      this.call("delete_library_file", { path: { file }, query }, options),
    deleteMany: (body: Body<"delete_library_files">, options?: CallOptions) => this.call("delete_library_files", { body }, options),
    deleteFolder: (folder: string, query: Query<"delete_folder"> = {}, options?: CallOptions) =>
      this.call("delete_folder", { path: { folder }, query }, options),
    folderArchive: (folder: string, options?: CallOptions) => this.call("folder_archive", { path: { folder } }, options),
    usage: (options?: CallOptions) => this.call("get_usage", {}, options),
    costs: (options?: CallOptions) => this.call("get_costs", {}, options),
  };

  /** Retention of files and projects: times, and legal holds. */
  readonly retention = {
    rules: (options?: CallOptions) => this.call("get_retention_rules", {}, options),
    set: (file: string, body: Body<"set_file_retention">, options?: CallOptions) =>
      this.call("set_file_retention", { path: { file }, body }, options),
    hold: (file: string, reason: string, options?: CallOptions) => this.call("hold_file", { path: { file }, body: { reason } }, options),
    release: (file: string, options?: CallOptions) => this.call("release_file", { path: { file } }, options),
    setProject: (slug: string, body: Body<"set_project_retention">, options?: CallOptions) =>
      this.call("set_project_retention", { path: { slug }, body }, options),
    holdProject: (slug: string, reason: string, options?: CallOptions) =>
      this.call("hold_project", { path: { slug }, body: { reason } }, options),
    releaseProject: (slug: string, options?: CallOptions) => this.call("release_project", { path: { slug } }, options),
  };

  readonly trash = {
    list: (query: Query<"list_trash"> = {}, options?: CallOptions) => this.call("list_trash", { query }, options),
    restore: (id: string, options?: CallOptions) => this.call("restore_from_trash", { path: { id } }, options),
    purge: (id: string, options?: CallOptions) => this.call("purge_from_trash", { path: { id } }, options),
    empty: (query: Query<"empty_trash"> = {}, options?: CallOptions) => this.call("empty_trash", { query }, options),
  };

  /** Links: URLs that read one file without a token. */
  readonly links = {
    make: (body: Body<"make_link">, options?: CallOptions) => this.call("make_link", { body }, options),
    makeMany: (body: Body<"make_links">, options?: CallOptions) => this.call("make_links", { body }, options),
    revoke: (body: Body<"revoke_links">, options?: CallOptions) => this.call("revoke_links", { body }, options),
    /** Reads a file with the token of a link. `name`: the file name for saving. */
    read: (token: string, name = "", options?: CallOptions) =>
      name === ""
        ? this.call("read_link_without_name", { path: { token } }, options)
        : this.call("read_link", { path: { token, name } }, options),
  };

  /** Shares: links for people without an account. */
  readonly shares = {
    create: (body: Body<"create_share">, options?: CallOptions) => this.call("create_share", { body }, options),
    list: (query: Query<"list_shares"> = {}, options?: CallOptions) => this.call("list_shares", { query }, options),
    get: (id: string, options?: CallOptions) => this.call("get_share", { path: { id } }, options),
    edit: (id: string, body: Body<"update_share">, options?: CallOptions) => this.call("update_share", { path: { id }, body }, options),
    revoke: (id: string, options?: CallOptions) => this.call("revoke_share", { path: { id } }, options),
  };

  /** Health of the installation. */
  readonly system = {
    live: (options?: CallOptions) => this.call("livez", {}, options),
    health: (options?: CallOptions) => this.call("healthz", {}, options),
    ready: (options?: CallOptions) => this.call("readyz", {}, options),
    metrics: (options?: CallOptions) => this.call("metrics", {}, options),
  };

  /** A ticket for an EventSource, which can't send a token; valid for a minute: `/api/notifications?ticket=…`. */
  eventTicket(options?: CallOptions) {
    return this.call("make_ticket", {}, options);
  }

  /** The steps of `uploadDirect`, for callers that send the parts themselves; and the state of any upload. */
  readonly uploads = {
    begin: (body: DirectBody, options?: CallOptions) => this.call("create_direct_upload", { body }, options),
    signParts: (id: string, body: Body<"sign_direct_parts">, options?: CallOptions) =>
      this.call("sign_direct_parts", { path: { id }, body }, options),
    complete: (id: string, body: Body<"complete_direct_upload">, options?: CallOptions) =>
      this.call("complete_direct_upload", { path: { id }, body }, options),
    get: (id: string, options?: CallOptions) => this.call("get_upload", { path: { id } }, options),
    cancel: (id: string, options?: CallOptions) => this.call("cancel_upload", { path: { id } }, options),
  };

  /** Starts a resumable upload by tus. */
  uploadResumable(file: Blob, target: TusTarget, options: TusOptions = {}): ResumableUpload {
    const upload = new ResumableUpload(this.transport, file, target, options);
    void upload.start();
    return upload;
  }

  /** Uploads a file straight to the object store, with three parts in parallel. */
  uploadDirect(file: Blob, target: DirectBody["target"], options: TusOptions = {}): Promise<StoredFile> {
    return sendDirect(this.transport, file, target, options);
  }

  /** Events of the user's files as they happen; reconnects automatically. */
  events(options: WatchOptions = {}): AsyncGenerator<Notification> {
    return watch(this.transport, options);
  }
}

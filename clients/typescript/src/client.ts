import { watch } from "./events.js";
import type { WatchOptions } from "./events.js";
import type { DirectBody, Notification, Operations, SaveBody, StoredFile } from "./schema.js";
import { operatorsOf } from "./operators.js";
import { Transport, newKey } from "./transport.js";
import type { Body, Call, ClientOptions, OperationName } from "./transport.js";
import { ResumableUpload, sendDirect, sendForm } from "./uploads.js";
import type { TusOptions, TusTarget, UploadOptions } from "./uploads.js";
import { webhooksOf } from "./webhooks.js";

type Query<Name extends OperationName> = Operations[Name]["query"];
type Fields<Name extends OperationName> = Omit<Body<Name>, "file">;

/** A client of one gateway, as one user. Methods raise StrongroomError and ConnectionError. */
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
    list: (query: Query<"list_files"> = {}) => this.call("list_files", { query }),
    read: (key: string) => this.call("file_content", { path: { key } }),
    metadata: (key: string) => this.call("file_metadata", { path: { key } }),
    exists: async (key: string) => (await this.call("file_exists", { path: { key } })).exists,
    url: async (key: string) => (await this.call("file_url", { path: { key } })).url,
    delete: (key: string, query: Query<"delete_file"> = {}) => this.call("delete_file", { path: { key }, query }),
  };

  /** Generated pictures and videos. */
  readonly generations = {
    upload: (file: Blob, fields: Fields<"upload_generation">, options: UploadOptions = {}) =>
      sendForm(this.transport, "upload_generation", {}, { ...fields, file }, options),
    import: (body: Body<"create_generation">) => this.call("create_generation", { body }),
    importMany: (body: Body<"import_generations">) => this.call("import_generations", { body }),
    list: (query: Query<"list_generations"> = {}) => this.call("list_generations", { query }),
    get: async (id: string) => (await this.call("get_generation", { path: { id } })).generation,
    read: (id: string) => this.call("generation_content", { path: { id } }),
    stats: async () => (await this.call("generation_stats", {})).stats,
    signedUrl: (id: string) => this.call("generation_url", { path: { id } }),
    delete: (id: string, query: Query<"delete_generation"> = {}) =>
      this.call("delete_generation", { path: { id }, query }),
  };

  /** Photos, videos and documents of events. */
  readonly media = {
    upload: (event_id: string, file: Blob, fields: Fields<"create_event_media"> = {}, options: UploadOptions = {}) =>
      sendForm(this.transport, "create_event_media", { event_id }, { ...fields, file }, options),
    list: (event_id: string, query: Query<"list_event_media"> = {}) =>
      this.call("list_event_media", { path: { event_id }, query }),
    get: (event_id: string, media_id: string) => this.call("get_event_media", { path: { event_id, media_id } }),
    edit: (event_id: string, media_id: string, body: Body<"update_event_media">) =>
      this.call("update_event_media", { path: { event_id, media_id }, body }),
    read: (event_id: string, media_id: string) =>
      this.call("download_event_media", { path: { event_id, media_id } }),
    stream: (event_id: string, media_id: string) => this.call("stream_event_media", { path: { event_id, media_id } }),
    delete: (event_id: string, media_id: string) => this.call("delete_event_media", { path: { event_id, media_id } }),
  };

  /** The user's one picture. */
  readonly profilePicture = {
    put: (file: Blob, options: UploadOptions = {}) =>
      sendForm(this.transport, "put_profile_picture", {}, { file }, options),
    read: () => this.call("get_profile_picture", {}),
    delete: () => this.call("delete_profile_picture", {}),
  };

  /** Files that are deleted automatically. */
  readonly temp = {
    upload: (file: Blob, fields: Fields<"create_temp_file"> = {}, options: UploadOptions = {}) =>
      sendForm(this.transport, "create_temp_file", {}, { ...fields, file }, options),
  };

  /** Trees of files with versions. */
  readonly projects = {
    save: (body: SaveBody, query: Query<"save_project"> = {}) => this.call("save_project", { body, query }),
    saveArchive: (slug: string, zip: Blob, query: Query<"save_project_archive"> = {}) =>
      this.call("save_project_archive", { path: { slug }, query, body: zip }, { headers: { "content-type": "application/zip" } }),
    list: (query: Query<"list_projects"> = {}) => this.call("list_projects", { query }),
    get: (slug: string, query: Query<"get_project"> = {}) => this.call("get_project", { path: { slug }, query }),
    read: (slug: string, path: string, query: Query<"get_project_file"> = {}) =>
      this.call("get_project_file", { path: { slug, path }, query }),
    files: (slug: string, query: Query<"list_project_files"> = {}) =>
      this.call("list_project_files", { path: { slug }, query }),
    history: (query: Query<"project_history"> = {}) => this.call("project_history", { query }),
    archive: (slug: string, query: Query<"get_project_archive"> = {}) =>
      this.call("get_project_archive", { path: { slug }, query }),
    versions: async (slug: string) => (await this.call("list_project_versions", { path: { slug } })).versions,
    patch: (slug: string, body: Body<"patch_project">) =>
      this.call("patch_project", { path: { slug }, body }),
    rollback: (slug: string, body: Body<"rollback_project">) =>
      this.call("rollback_project", { path: { slug }, body }),
    editVersion: (slug: string, version: number, body: Body<"edit_project_version">) =>
      this.call("edit_project_version", { path: { slug, version }, body }),
    /** The version rule: how many versions are kept. */
    versionRule: (slug: string) => this.call("get_version_rule", { path: { slug } }),
    setVersionRule: (slug: string, body: Body<"set_version_rule">) => this.call("set_version_rule", { path: { slug }, body }),
    clearVersionRule: (slug: string) => this.call("clear_version_rule", { path: { slug } }),
    /** Reads a file of the project as its preview serves it; without a path the start page. */
    preview: (slug: string, path = "") =>
      path === "" ? this.call("preview_project_folder", { path: { slug } }) : this.call("preview_project", { path: { slug, path } }),
    /** The URL of the newest version's start page. */
    previewIndex: (slug: string) => this.call("preview_project_index", { path: { slug } }),
    /** Like `preview`, with the token of a `previewUrl`. */
    readPreview: (token: string, path = "") =>
      path === "" ? this.call("show_preview", { path: { token } }) : this.call("show_preview_file", { path: { token, path } }),
    previewUrl: (slug: string, query: Query<"project_preview_url"> = {}) =>
      this.call("project_preview_url", { path: { slug }, query }),
    delete: (slug: string) => this.call("delete_project", { path: { slug } }),
  };

  /** Files of all families: search, edit, copy, move. `file` is an id or a key. */
  readonly library = {
    list: (query: Query<"list_library_files"> = {}) => this.call("list_library_files", { query }),
    get: (file: string) => this.call("get_library_file", { path: { file } }),
    edit: (file: string, body: Body<"edit_library_file">, ifMatch?: string) =>
      this.call("edit_library_file", { path: { file }, body }, ifMatch === undefined ? {} : { headers: { "if-match": ifMatch } }),
    /** Copies and moves are retried after a lost answer. Each has a new key unless the caller passes one. */
    copy: (file: string, body: Body<"copy_library_file">, idempotencyKey = newKey()) =>
      this.call("copy_library_file", { path: { file }, body }, { idempotencyKey }),
    move: (file: string, body: Body<"move_library_file">, idempotencyKey = newKey()) =>
      this.call("move_library_file", { path: { file }, body }, { idempotencyKey }),
    delete: (file: string, query: Query<"delete_library_file"> = {}) =>
      this.call("delete_library_file", { path: { file }, query }),
    deleteMany: (body: Body<"delete_library_files">) => this.call("delete_library_files", { body }),
    deleteFolder: (folder: string, query: Query<"delete_folder"> = {}) =>
      this.call("delete_folder", { path: { folder }, query }),
    folderArchive: (folder: string) => this.call("folder_archive", { path: { folder } }),
    usage: () => this.call("get_usage", {}),
    costs: () => this.call("get_costs", {}),
  };

  /** Retention of files and projects: times, and legal holds. */
  readonly retention = {
    rules: () => this.call("get_retention_rules", {}),
    set: (file: string, body: Body<"set_file_retention">) => this.call("set_file_retention", { path: { file }, body }),
    hold: (file: string, reason: string) => this.call("hold_file", { path: { file }, body: { reason } }),
    release: (file: string) => this.call("release_file", { path: { file } }),
    setProject: (slug: string, body: Body<"set_project_retention">) =>
      this.call("set_project_retention", { path: { slug }, body }),
    holdProject: (slug: string, reason: string) => this.call("hold_project", { path: { slug }, body: { reason } }),
    releaseProject: (slug: string) => this.call("release_project", { path: { slug } }),
  };

  readonly trash = {
    list: (query: Query<"list_trash"> = {}) => this.call("list_trash", { query }),
    restore: (id: string) => this.call("restore_from_trash", { path: { id } }),
    purge: (id: string) => this.call("purge_from_trash", { path: { id } }),
    empty: (query: Query<"empty_trash"> = {}) => this.call("empty_trash", { query }),
  };

  /** Links: URLs that read one file without a token. */
  readonly links = {
    make: (body: Body<"make_link">) => this.call("make_link", { body }),
    makeMany: (body: Body<"make_links">) => this.call("make_links", { body }),
    revoke: (body: Body<"revoke_links">) => this.call("revoke_links", { body }),
    /** Reads a file with the token of a link. `name`: the file name for saving. */
    read: (token: string, name = "") =>
      name === "" ? this.call("read_link_without_name", { path: { token } }) : this.call("read_link", { path: { token, name } }),
  };

  /** Shares: links for people without an account. */
  readonly shares = {
    create: (body: Body<"create_share">) => this.call("create_share", { body }),
    list: (query: Query<"list_shares"> = {}) => this.call("list_shares", { query }),
    get: (id: string) => this.call("get_share", { path: { id } }),
    edit: (id: string, body: Body<"update_share">) => this.call("update_share", { path: { id }, body }),
    revoke: (id: string) => this.call("revoke_share", { path: { id } }),
  };

  /** Health of the installation. */
  readonly system = {
    live: () => this.call("livez", {}),
    health: () => this.call("healthz", {}),
    ready: () => this.call("readyz", {}),
    metrics: () => this.call("metrics", {}),
  };

  /** A ticket for an EventSource, which can't send a token; valid for a minute: `/api/notifications?ticket=…`. */
  eventTicket() {
    return this.call("make_ticket", {});
  }

  /** The steps of `uploadDirect`, for callers that send the parts themselves; and the state of any upload. */
  readonly uploads = {
    begin: (body: DirectBody) => this.call("create_direct_upload", { body }),
    signParts: (id: string, body: Body<"sign_direct_parts">) => this.call("sign_direct_parts", { path: { id }, body }),
    complete: (id: string, body: Body<"complete_direct_upload">) => this.call("complete_direct_upload", { path: { id }, body }),
    get: (id: string) => this.call("get_upload", { path: { id } }),
    cancel: (id: string) => this.call("cancel_upload", { path: { id } }),
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

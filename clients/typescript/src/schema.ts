// Written by scripts/typescript_types.py from the OpenAPI document: `make typescript`.

/** An entry of the audit log. */
export interface Act {
  id: number;
  act: string;
  /** Null: the installation itself. */
  actor: string | null;
  /** The user it was about. */
  user_id: string | null;
  details: unknown;
  outcome: string;
  at: string;
}

/** The audit log, newest first. */
export interface ActList {
  acts: Array<Act>;
  /** Value of `before` for the next page. */
  next_before: number | null;
}

/** Attempts in one state. */
export interface Backlog {
  state: "pending" | "completing" | "committed" | "deleting" | "aborting" | "gone";
  count: number;
  /** Bytes, as far as rows record them. */
  size: number;
  /** How many the cleaner can process now. */
  due: number;
  /** How many have failed before. */
  failing: number;
  oldest_due_at: string | null;
}

/** Up to 50 generations to import in parallel. */
export interface BatchBody {
  items: Array<GenerationBody>;
}

/** Up to 1,000 files, by id or key. */
export interface BatchDeleteBody {
  files: Array<string>;
  /** Move to the trash. Default: false. */
  soft?: boolean;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** One result: ``deleted``, or ``code`` and ``message``. */
export interface BatchDeleteResult {
  /** As named in the request. */
  file: string;
  deleted: boolean;
  code?: string;
  message?: string;
}

/** One result per file, in the order given; they fail independently. */
export interface BatchDeleteResults {
  results: Array<BatchDeleteResult>;
  deleted: number;
  failed: number;
}

/** One result of a batch: ``generation``, or ``message`` and ``code``. */
export interface BatchResult {
  success: boolean;
  generation?: Generation;
  message?: string;
  code?: string;
}

/** One result per item, in the order given. */
export interface BatchResults {
  success: true;
  results: Array<BatchResult>;
}

/** The cleaner's backlog, its failures, and the replicas that work on it. */
export interface Cleaner {
  backlog: Array<Backlog>;
  failures: Array<CleanerFailure>;
  replicas: Array<CleanerReplica>;
  now: string;
}

/** One reason why attempts fail. */
export interface CleanerFailure {
  failure: string;
  count: number;
  since: string;
  most_tries: number;
}

/** A replica of storage_service that asks for work. */
export interface CleanerReplica {
  name: string;
  seen_at: string;
}

/** All parts, in order. */
export interface CompleteBody {
  parts: Array<SentPart>;
}

/** The upload is a file now. */
export interface CompletedUpload {
  upload_id: string;
  file: StoredFile;
}

/** Properties of the copy. What is left out is taken from the source, except visibility. */
export interface CopyBody {
  /** An S3 storage class, one of those that the installation allows uploads to choose. Default: "". */
  storage_class?: string;
  /** It can't be deleted or replaced before this time. */
  keep_until?: string | null;
  /** Like keep_until, in seconds from when it is stored. */
  keep_for_seconds?: number | null;
  /** Places a legal hold on it, with this reason. Default: "". */
  hold_reason?: string;
  /** The file is deleted automatically at this time. */
  delete_after?: string | null;
  /** The file is deleted automatically at this age. */
  delete_after_seconds?: number | null;
  /** `family` (files, generations, event_media, profile_picture, temp, path) and its form fields. Default: as the source; a file at a path needs a new `path`. */
  target?: Record<string, unknown> | null;
  /** Default: "". */
  filename?: string;
  metadata?: Record<string, string> | null;
  visibility?: "private" | "public" | null;
  /** At a path: replace an existing file. Without it that is 412. Default: false. */
  replace?: boolean;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** The objects of one family in one storage class. */
export interface CostLine {
  /** As recorded, or derived from the age at which objects are moved. */
  storage_class: string;
  /** `project`: all versions of all projects. */
  family: string;
  /** Includes the trash, and objects waiting to be removed. */
  objects: number;
  bytes: number;
  /** In the last 30 days. */
  written: number;
  /** Null: no price is known for this class. */
  usd_per_gb_month: number | null;
  usd_per_month: number;
}

/** Estimated cost per month of the stored objects, with the prices of the settings. */
export interface Costs {
  lines: Array<CostLine>;
  bytes_by_class: Record<string, number>;
  storage_usd_per_month: number;
  /** Cost of the writes of the last 30 days. */
  write_usd_per_month: number;
  usd_per_1000_writes: number;
}

/** Number and bytes of one day (UTC). */
export interface DayStats {
  count: number;
  bytes: number;
  date: string;
}

/** The delivery of one event to one target. */
export interface Delivery {
  /** The webhook-id header of the request. */
  id: string;
  webhook_id: string;
  /** The user of the event. */
  user_id: string;
  state: "pending" | "delivered" | "dead";
  /** Failed tries. */
  tries: number;
  next_try_at: string | null;
  /** HTTP status of the last response. */
  status: number | null;
  failure: string | null;
  ended_at: string | null;
  event: unknown;
}

/** A page, newest event first. */
export interface DeliveryList {
  deliveries: Array<Delivery>;
  next_page_token: string | null;
}

/** A file to be uploaded. */
export interface DirectBody {
  /** `family` (files, generations, event_media, profile_picture, temp, path) and its form fields, including `visibility` and retention (`keep_until`, …). */
  target: Record<string, unknown>;
  /** Default: "". */
  filename?: string;
  /** Default: "". */
  content_type?: string;
  /** Exact size in bytes. */
  size: number;
  checksum?: WholeChecksums | null;
  /** CRC-32C of parts by number; their URLs then accept only these bytes. */
  part_checksums?: Record<string, string>;
  /** Number of parts to sign; a value over 1,000 is lowered. Default: 100. */
  part_count?: number;
  /** Validity of the URLs in seconds. Default: 3600. */
  expires_in?: number;
  user_id?: string | null;
}

/** A direct upload and some of its URLs. */
export interface DirectUpload {
  upload_id: string;
  /** Size of every part but the last, in bytes. */
  part_size: number;
  /** Total number of parts. */
  part_total: number;
  /** The signed parts. A small file has a single one. */
  parts: Array<SignedPart>;
  /** Small files only. */
  post: PostForm | null;
  /** When the URLs expire. */
  expires_at: string | null;
}

/** The operation succeeded. */
export interface Done {
  success: true;
  message: string;
}

/** Where guests' files go (below `path`, to an event, or into a folder), their limits, retention and
storage class. */
export interface DropBody {
  /** An S3 storage class, one of those that the installation allows uploads to choose. Default: "". */
  storage_class?: string;
  /** It can't be deleted or replaced before this time. */
  keep_until?: string | null;
  /** Like keep_until, in seconds from when it is stored. */
  keep_for_seconds?: number | null;
  /** Places a legal hold on it, with this reason. Default: "". */
  hold_reason?: string;
  /** The file is deleted automatically at this time. */
  delete_after?: string | null;
  /** The file is deleted automatically at this age. */
  delete_after_seconds?: number | null;
  /** Store below this path, each file under its own name. */
  path?: string | null;
  /** Store as media of this event. */
  event_id?: string | null;
  folder?: "uploads" | "documents" | "audio" | null;
  /** Required for the folder audio, refused for others. */
  class_id?: string | null;
  /** Maximum for all files together. Default: 100. */
  max_files?: number;
  /** Maximum for all files together. Default: 1073741824. */
  max_bytes?: number;
  /** Maximum size of a file. Default: as for all files together. */
  max_file_bytes?: number | null;
  /** Accepted types, such as `image/png` or `image/*`; none: all. */
  content_types?: Array<string>;
}

/** Where guests' files go, their limits, and how many have arrived. */
export interface DropRules {
  path: string | null;
  event_id: string | null;
  folder: string | null;
  class_id: string | null;
  max_files: number;
  max_bytes: number;
  max_file_bytes: number;
  content_types: Array<string>;
  /** Retention of what guests upload. */
  retention: Wished | null;
  /** Storage class of what guests upload; null: the default. */
  storage_class: string | null;
  /** Number of files that guests have uploaded. */
  files: number;
  /** Their total size in bytes. */
  bytes: number;
}

/** The results for the files that were sent, and for no others. */
export interface Dropped {
  files: Array<DroppedFile>;
}

/** The result for one file. */
export interface DroppedFile {
  name: string;
  stored: boolean;
  size?: number;
  content_type?: string;
  /** Why it was not stored: an ErrorReason. */
  code?: string;
  detail?: string;
}

/** What one user has in one family. */
export interface FamilyUsage {
  /** As a file's; `project`: all versions of all projects. */
  family: string;
  file_count: number;
  /** Bytes. */
  size: number;
}

/** One broken rule. */
export interface FieldError {
  /** The invalid field. */
  field: string;
  /** The rule, for programs. */
  rule: string;
  /** What is wrong, for people. */
  message: string;
}

/** The file is invisible now. */
export interface FileDeleted {
  key: string;
  deleted: boolean;
  /** With `soft`: its id in the trash. */
  id?: string;
  /** With `soft`: until when it can be restored. */
  purge_at?: string;
}

/** A merge patch (RFC 7396): members left out stay as they are, ``null`` removes. */
export interface FileEdit {
  /** New name. Default: "". */
  filename?: string;
  /** Default: "private". */
  visibility?: "private" | "public";
  /** Pairs to set; null removes a name; null instead of the object removes all user metadata. */
  metadata?: Record<string, string | null> | null;
  /** Event media. */
  title?: string | null;
  /** Event media. */
  description?: string | null;
  /** Event media; all of them. */
  tags?: Array<string> | null;
}

/** Whether the caller has such a file. */
export interface FileExists {
  key: string;
  exists: boolean;
}

/** A page in key order. */
export interface FileList {
  files: Array<ListedFile>;
  /** With `delimiter`: folders directly below the prefix. */
  folders?: Array<string>;
  /** Whether there are more. */
  is_truncated: boolean;
  /** For the next page; null on the last one. */
  next_continuation_token: string | null;
  /** The same. */
  next_page_token: string | null;
}

/** A file's metadata. */
export interface FileMetadata {
  /** Width in pixels, of pictures and videos, once they have been read, soon after the upload. As stored: see `orientation`. */
  width?: number;
  /** Height in pixels, like `width`. */
  height?: number;
  /** EXIF orientation (browsers apply it themselves). From 5 on the picture is shown with width and height exchanged. */
  orientation?: number;
  /** Duration in seconds, of videos and audio. */
  duration?: number;
  /** ISO 8601; local time without an offset if the camera recorded none. */
  taken_at?: string;
  /** ThumbHash in base64: a placeholder of about 25 bytes to show until the picture is loaded. */
  thumbhash?: string;
  /** Only if true: the file says where the picture was taken. Readers of links and shares get it without the location. */
  has_location?: boolean;
  /** Only if there is a scanner; in lists only for infected files. */
  scan?: ScanResult;
  key: string;
  /** Bytes. */
  size: number;
  content_type: string;
  etag: string;
  /** RFC 3339, UTC. */
  last_modified: string;
  /** Only for a file whose bytes are missing (`lost`) or damaged (`corrupt`) in the object store: reading it is OBJECT_LOST. */
  data_loss?: "lost" | "corrupt";
  /** It can't be deleted or replaced before this time. */
  keep_until?: string;
  /** It is deleted automatically at this time. Files only. */
  delete_after?: string;
  /** A legal hold. */
  hold?: LegalHold;
  metadata: Record<string, string>;
}

/** A URL for reading. */
export interface FileUrl {
  key: string;
  url: string;
  /** Validity in seconds; null: unlimited. */
  expires_in: number | null;
}

/** How many findings of a kind. */
export interface FindingCount {
  kind: string;
  count: number;
  size: number;
}

/** A page of findings, ascending by number. */
export interface FindingList {
  findings: Array<ListedFinding>;
  /** `after` of the next page. */
  next_after: number | null;
}

/** What was deleted; all files or none. */
export interface FolderDeleted {
  folder: string;
  /** How many files. */
  deleted: number;
  bytes: number;
  /** Whether they are in the trash. */
  soft: boolean;
}

/** A generation. */
export interface Generation {
  /** Width in pixels, of pictures and videos, once they have been read, soon after the upload. As stored: see `orientation`. */
  width?: number;
  /** Height in pixels, like `width`. */
  height?: number;
  /** EXIF orientation (browsers apply it themselves). From 5 on the picture is shown with width and height exchanged. */
  orientation?: number;
  /** Duration in seconds, of videos and audio. */
  duration?: number;
  /** ISO 8601; local time without an offset if the camera recorded none. */
  taken_at?: string;
  /** ThumbHash in base64: a placeholder of about 25 bytes to show until the picture is loaded. */
  thumbhash?: string;
  /** Only if true: the file says where the picture was taken. Readers of links and shares get it without the location. */
  has_location?: boolean;
  /** Only if there is a scanner; in lists only for infected files. */
  scan?: ScanResult;
  /** It can't be deleted or replaced before this time. */
  keep_until?: string;
  /** It is deleted automatically at this time. Files only. */
  delete_after?: string;
  /** A legal hold. */
  hold?: LegalHold;
  id: string;
  user_id: string;
  generation_type: "text-to-image" | "text-to-video" | "image-to-image" | "image-to-video";
  s3_key: string;
  /** A link: anyone who has it can read the file, until it is revoked. */
  s3_url: string | null;
  prompt: string | null;
  settings: unknown;
  /** Bytes. */
  file_size: number;
  content_type: string;
  created_at: string;
  updated_at: string;
  /** The same as s3_url. */
  url: string | null;
  /** The same as s3_key. */
  s3Key: string;
  /** The same as created_at. */
  createdAt: string;
  /** Only for a file whose bytes are missing (`lost`) or damaged (`corrupt`) in the object store: reading it is OBJECT_LOST. */
  data_loss?: "lost" | "corrupt";
}

/** A generation to import from its provider. */
export interface GenerationBody {
  /** An S3 storage class, one of those that the installation allows uploads to choose. Default: "". */
  storage_class?: string;
  /** It can't be deleted or replaced before this time. */
  keep_until?: string | null;
  /** Like keep_until, in seconds from when it is stored. */
  keep_for_seconds?: number | null;
  /** Places a legal hold on it, with this reason. Default: "". */
  hold_reason?: string;
  /** The file is deleted automatically at this time. */
  delete_after?: string | null;
  /** The file is deleted automatically at this age. */
  delete_after_seconds?: number | null;
  url: string;
  type: "text-to-image" | "text-to-video" | "image-to-image" | "image-to-video";
  prompt?: string | null;
  /** Any JSON; returned unchanged. */
  settings?: unknown;
  /** public: with a CDN configured, the file's URL is permanent and needs no signature. Default: "private". */
  visibility?: "private" | "public";
}

/** A page, newest first. */
export interface GenerationList {
  success: true;
  generations: Array<Generation>;
  /** Total number of matches: exact; with a filter, up to 50,001. */
  total: number;
  limit: number;
  offset: number;
  next_page_token: string | null;
}

/** Counts and bytes. */
export interface GenerationStats {
  success: true;
  stats: Stats;
}

/** The process is alive. */
export interface Health {
  status: "ok";
}

/** The reason of the hold. */
export interface HoldBody {
  /** Default: "". */
  reason?: string;
}

/** A generation that was imported from a URL. */
export interface ImportedGeneration {
  success: true;
  message: string;
  generation: Generation;
  externalUrl: string;
}

/** Stored content that nobody can read, because the scanner found malware in it. */
export interface InfectedContent {
  user_id: string;
  key: string;
  /** Null for a project's file, or an older version. */
  file_id: string | null;
  filename: string;
  /** Bytes. */
  size: number;
  /** What was found. */
  signature: string;
  /** Scanner and signatures. */
  database: string;
  found_at: string;
}

/** A page, by user. */
export interface InfectedList {
  contents: Array<InfectedContent>;
  next_page_token: string | null;
}

/** The last run, and its signed report once it has ended. */
export interface LastVerification {
  /** Null: there was none yet. */
  verification: VerificationRun | null;
  /** A JSON document, as it was signed. */
  report: string | null;
  /** Ed25519, in hex, of exactly the report. */
  signature: string | null;
  /** The public key that verifies it, in hex. */
  public_key: string | null;
}

/** It can't be deleted or replaced until the hold is lifted. */
export interface LegalHold {
  reason: string;
  /** Only an admin can lift it. */
  by_admin: boolean;
  placed_at: string;
}

/** A file of any family. */
export interface LibraryFile {
  /** Width in pixels, of pictures and videos, once they have been read, soon after the upload. As stored: see `orientation`. */
  width?: number;
  /** Height in pixels, like `width`. */
  height?: number;
  /** EXIF orientation (browsers apply it themselves). From 5 on the picture is shown with width and height exchanged. */
  orientation?: number;
  /** Duration in seconds, of videos and audio. */
  duration?: number;
  /** ISO 8601; local time without an offset if the camera recorded none. */
  taken_at?: string;
  /** ThumbHash in base64: a placeholder of about 25 bytes to show until the picture is loaded. */
  thumbhash?: string;
  /** Only if true: the file says where the picture was taken. Readers of links and shares get it without the location. */
  has_location?: boolean;
  /** Only if there is a scanner; in lists only for infected files. */
  scan?: ScanResult;
  id: string;
  key: string;
  family: "files" | "generations" | "event_media" | "profile_picture" | "temp" | "path";
  filename: string;
  content_type: string;
  /** Bytes. */
  size: number;
  /** Entity tag of the bytes, without quotes. */
  etag: string;
  /** From 1; raised by each edit and each replacement. */
  generation: number;
  visibility: "private" | "public";
  /** User metadata, and the family's own names. */
  metadata: Record<string, string>;
  /** A link: anyone who has it can read the file. Null in the trash. */
  url: string | null;
  created_at: string;
  updated_at: string;
  /** Temporary files: when it is deleted automatically. */
  expires_at: string | null;
  /** When it was moved to the trash. */
  deleted_at: string | null;
  /** In the trash: until when it can be restored. */
  purge_at: string | null;
  /** It can't be deleted or replaced before this time. */
  keep_until: string | null;
  /** The file is deleted automatically at this time. */
  delete_after: string | null;
  /** A legal hold. */
  hold: LegalHold | null;
  /** Event media. */
  event_id: string | null;
  /** Event media. */
  title: string | null;
  /** Event media. */
  description: string | null;
  /** Event media. */
  tags: Array<string>;
  /** Generations. */
  generation_type: string | null;
  /** Generations. */
  prompt: string | null;
  /** Generations. */
  settings: unknown;
  /** Only for a file whose bytes are missing (`lost`) or damaged (`corrupt`) in the object store: reading it is OBJECT_LOST. */
  data_loss?: "lost" | "corrupt";
}

/** The file is invisible now. */
export interface LibraryFileDeleted {
  id: string;
  deleted: true;
  /** In the trash until this time; null: deleted for good. */
  purge_at: string | null;
}

/** A page, newest first; with `delimiter` a page of a folder, in key order. */
export interface LibraryList {
  files: Array<LibraryFile>;
  /** With `delimiter`: folders directly below the prefix, as full prefixes with their slash. */
  folders: Array<string>;
  next_page_token: string | null;
}

/** Links to make: to up to 1,000 files by id and 100 by key. */
export interface LinkBatchBody {
  file_ids?: Array<string>;
  keys?: Array<string>;
  /** As for a single link. */
  expires_in?: number | null;
  /** As for a single link. Default: "version". */
  scope?: "version" | "newest";
  /** Browsers save the files, whatever their type. Default: false. */
  attachment?: boolean;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** A link to make: to a file by id or by key. */
export interface LinkBody {
  file_id?: string | null;
  key?: string | null;
  /** Minimum validity in seconds; 0: until it is revoked. Default: as for the file's family. */
  expires_in?: number | null;
  /** version: stops working when the content is replaced; newest: always reads the current content. Default: "version". */
  scope?: "version" | "newest";
  /** Browsers save the file, whatever its type. Default: false. */
  attachment?: boolean;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** A URL with which anyone who has it can read one file. */
export interface LinkMade {
  url: string;
  /** RFC 3339; null: valid until it is revoked or the file is deleted. */
  expires_at: string | null;
}

/** The link to one file; ``url`` is null if it does not exist or is not the caller's. */
export interface LinkOfBatch {
  /** As named in the request. */
  file: string;
  url: string | null;
  expires_at: string | null;
}

/** One link per file: those by id, then those by key, in the order given. */
export interface LinksMade {
  links: Array<LinkOfBatch>;
}

/** Existing links are revoked; new ones work. */
export interface LinksRevoked {
  revoked: "file" | "all";
  /** UUID of the file; null: all files. */
  file_id: string | null;
}

/** One line of a list. */
export interface ListedFile {
  /** Width in pixels, of pictures and videos, once they have been read, soon after the upload. As stored: see `orientation`. */
  width?: number;
  /** Height in pixels, like `width`. */
  height?: number;
  /** EXIF orientation (browsers apply it themselves). From 5 on the picture is shown with width and height exchanged. */
  orientation?: number;
  /** Duration in seconds, of videos and audio. */
  duration?: number;
  /** ISO 8601; local time without an offset if the camera recorded none. */
  taken_at?: string;
  /** ThumbHash in base64: a placeholder of about 25 bytes to show until the picture is loaded. */
  thumbhash?: string;
  /** Only if true: the file says where the picture was taken. Readers of links and shares get it without the location. */
  has_location?: boolean;
  /** Only if there is a scanner; in lists only for infected files. */
  scan?: ScanResult;
  key: string;
  /** Bytes. */
  size: number;
  content_type: string;
  etag: string;
  /** RFC 3339, UTC. */
  last_modified: string;
  /** Only for a file whose bytes are missing (`lost`) or damaged (`corrupt`) in the object store: reading it is OBJECT_LOST. */
  data_loss?: "lost" | "corrupt";
}

/** A difference between rows and objects. */
export interface ListedFinding {
  number: number;
  kind: string;
  user_id: string | null;
  key: string | null;
  row: string | null;
  size: number;
  expected: string;
  found: string;
}

/** A project in a list. */
export interface ListedProject {
  name: string;
  slug: string;
  /** Seconds since 1970, UTC. */
  created_date: number;
  /** YYYY-MM-DD HH:MM, UTC. */
  created_date_formatted: string;
  /** Shows the newest version in an `<iframe>`, for 15 minutes, without a bearer token. */
  preview_url: string;
  editor_url: string;
  has_frontend: boolean;
  has_backend: boolean;
  tech_stack: Array<string>;
  file_count: number;
  version: number;
  updated_at: string;
}

/** A medium of an event. */
export interface Media {
  /** Width in pixels, of pictures and videos, once they have been read, soon after the upload. As stored: see `orientation`. */
  width?: number;
  /** Height in pixels, like `width`. */
  height?: number;
  /** EXIF orientation (browsers apply it themselves). From 5 on the picture is shown with width and height exchanged. */
  orientation?: number;
  /** Duration in seconds, of videos and audio. */
  duration?: number;
  /** ISO 8601; local time without an offset if the camera recorded none. */
  taken_at?: string;
  /** ThumbHash in base64: a placeholder of about 25 bytes to show until the picture is loaded. */
  thumbhash?: string;
  /** Only if true: the file says where the picture was taken. Readers of links and shares get it without the location. */
  has_location?: boolean;
  /** Only if there is a scanner; in lists only for infected files. */
  scan?: ScanResult;
  /** It can't be deleted or replaced before this time. */
  keep_until?: string;
  /** It is deleted automatically at this time. Files only. */
  delete_after?: string;
  /** A legal hold. */
  hold?: LegalHold;
  id: string;
  event_id: string;
  title: string | null;
  description: string | null;
  /** A link: anyone who has it can read the file, until it is revoked. */
  file_url: string | null;
  s3_key: string;
  file_type: string;
  /** Bytes. */
  file_size: number;
  tags: Array<string>;
  created_at: string;
  updated_at: string;
  /** Only for a file whose bytes are missing (`lost`) or damaged (`corrupt`) in the object store: reading it is OBJECT_LOST. */
  data_loss?: "lost" | "corrupt";
}

/** The changes; members left out stay as they are. */
export interface MediaEdit {
  title?: string | null;
  description?: string | null;
  tags?: Array<string> | null;
}

/** A page, newest first. */
export interface MediaList {
  items: Array<Media>;
  /** Total number of matches: exact; with a filter, up to 50,001. */
  total: number;
  skip: number;
  limit: number;
  next_page_token: string | null;
}

/** One file of a tree, without its content. */
export interface NamedTreeFile {
  path: string;
  /** Bytes. */
  size: number;
  content_type: string;
  /** SHA-256 of the content, in hex. */
  sha256: string;
  executable: boolean;
  /** When this content was saved. */
  updated_at: string;
}

/** A problem that names each check. */
export interface NotReady {
  /** URI of the kind of problem: `urn:strongroom:problem:` and the code. */
  type: string;
  /** The kind of problem, for people. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** What happened and what to do. */
  detail: string;
  /** The kind of problem, for programs. */
  code: string;
  /** Quote it when asking for help; every log line has it. */
  request_id: string;
  success: false;
  /** The same as `detail`. */
  message: string;
  /** Trace id of the request, 32 hex digits, if tracing is on or one was sent. */
  trace_id?: string;
  /** Details defined by the code, such as the limit. */
  metadata?: Record<string, string>;
  /** The invalid fields. */
  errors?: Array<FieldError>;
  /** storage, metadata, postgres, s3, versioning (of the bucket), internal (metadata_service accepts storage_service's credential), each loop of the services: `ok`, or why not (s3, versioning: the bucket's state, e.g. `storage_service says bucket_missing`). */
  checks: Record<string, string>;
}

/** One event. */
export interface Notification {
  /** Position in the user's stream; send the last one to continue after it. */
  id: string;
  /** upload_progress, file_ready, file_described, file_updated, file_deleted, file_damaged, file_infected, file_readable, import_failed, save_failed, project_save_progress, project_saved, project_deleted or webhook_disabled. */
  type: string;
  /** The file, upload or project. */
  subject_id: string;
  data: unknown;
  created_at: string;
  /** The user; only in streams of all users' events. */
  user_id?: string;
}

/** One generation. */
export interface OneGeneration {
  success: true;
  generation: Generation;
}

/** One version of a project. */
export interface OneProject {
  success: true;
  project: ProjectTree;
}

/** One version. */
export interface OneVersion {
  success: true;
  version: Version;
}

/** Which parts to sign. */
export interface PartsBody {
  /** Default: 1. */
  first_part?: number;
  /** Number of parts to sign; a value over 1,000 is lowered. Default: 100. */
  part_count?: number;
  /** Validity of the URLs in seconds. Default: 3600. */
  expires_in?: number;
  part_checksums?: Record<string, string>;
}

/** Changes to a project: paths in neither files nor removed stay as they are. */
export interface PatchBody {
  /** A name for the new version. */
  version_name?: string | null;
  /** What changed, and why. */
  message?: string | null;
  /** Tags of the new version. A version with tags is never pruned. */
  tags?: Array<string> | null;
  /** An S3 storage class, one of those that the installation allows uploads to choose. Default: "". */
  storage_class?: string;
  /** It can't be deleted or replaced before this time. */
  keep_until?: string | null;
  /** Like keep_until, in seconds from when it is stored. */
  keep_for_seconds?: number | null;
  /** Places a legal hold on it, with this reason. Default: "". */
  hold_reason?: string;
  /** Default: unchanged. */
  name?: string | null;
  user_id?: string | null;
  /** Same as in the query: the version that the caller has seen. */
  expected_version?: number | null;
  files?: Array<TreeFile>;
  /** Paths that the next version does not have. */
  removed?: Array<string>;
}

/** For HTML forms: the fields to send before the file, in this order. */
export interface PostForm {
  url: string;
  fields: Record<string, string>;
}

/** A URL for an `<iframe>`. */
export interface PreviewUrl {
  success: true;
  /** Relative to the gateway; the start page. Relative links work in it. */
  preview_url: string;
  version: number;
  /** Seconds. */
  expires_in: number;
  expires_at: string;
}

/** RFC 9457, with `success` and `message` for older clients. */
export interface Problem {
  /** URI of the kind of problem: `urn:strongroom:problem:` and the code. */
  type: string;
  /** The kind of problem, for people. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** What happened and what to do. */
  detail: string;
  /** The kind of problem, for programs. */
  code: string;
  /** Quote it when asking for help; every log line has it. */
  request_id: string;
  success: false;
  /** The same as `detail`. */
  message: string;
  /** Trace id of the request, 32 hex digits, if tracing is on or one was sent. */
  trace_id?: string;
  /** Details defined by the code, such as the limit. */
  metadata?: Record<string, string>;
  /** The invalid fields. */
  errors?: Array<FieldError>;
}

/** The user's picture. */
export interface ProfilePicture {
  /** Width in pixels, of pictures and videos, once they have been read, soon after the upload. As stored: see `orientation`. */
  width?: number;
  /** Height in pixels, like `width`. */
  height?: number;
  /** EXIF orientation (browsers apply it themselves). From 5 on the picture is shown with width and height exchanged. */
  orientation?: number;
  /** Duration in seconds, of videos and audio. */
  duration?: number;
  /** ISO 8601; local time without an offset if the camera recorded none. */
  taken_at?: string;
  /** ThumbHash in base64: a placeholder of about 25 bytes to show until the picture is loaded. */
  thumbhash?: string;
  /** Only if true: the file says where the picture was taken. Readers of links and shares get it without the location. */
  has_location?: boolean;
  /** Only if there is a scanner; in lists only for infected files. */
  scan?: ScanResult;
  id: string;
  user_id: string;
  file_url: string | null;
  s3_key: string;
  file_type: string;
  /** Bytes. */
  file_size: number;
  created_at: string;
  updated_at: string;
}

/** A page, newest change first. */
export interface ProjectList {
  success: true;
  projects: Array<ListedProject>;
  /** Exact total. */
  count: number;
  next_page_token: string | null;
}

/** When it was saved, and by whom. */
export interface ProjectMetadata {
  created_date: string;
  updated_date: string;
  user_id: string;
  project_slug: string;
}

/** A version with all its files; how long the project stays with all its versions. */
export interface ProjectTree {
  /** It can't be deleted or replaced before this time. */
  keep_until?: string;
  /** It is deleted automatically at this time. Files only. */
  delete_after?: string;
  /** A legal hold. */
  hold?: LegalHold;
  name: string;
  slug: string;
  version: number;
  files: Array<ReadTreeFile>;
  metadata: ProjectMetadata;
}

/** Both limits of a user; null: none. */
export interface QuotaBody {
  /** Null: no limit. */
  limit_bytes: number | null;
  /** Null: no limit. */
  limit_files: number | null;
}

/** One file of a tree, as returned. */
export interface ReadTreeFile {
  path: string;
  content: string;
  encoding: "utf-8" | "base64";
  /** The executable bit; absent: false. */
  executable?: true;
}

/** Everything behind the gateway answers. */
export interface Ready {
  status: "ready";
  /** storage, metadata, postgres, s3, versioning (of the bucket), internal (metadata_service accepts storage_service's credential), each loop of the services: `ok`, or why not (s3, versioning: the bucket's state, e.g. `storage_service says bucket_missing`). */
  checks: Record<string, string>;
}

/** What to resend: one of the three. */
export interface ReplayBody {
  /** One delivery, also a delivered one. */
  delivery_id?: string | null;
  /** All dead letters. */
  dead?: true | null;
  /** All events after the one with this id. */
  after?: string | null;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** What waits again. */
export interface Replayed {
  /** Number of deliveries; 0 with `after`, because those are created as events are read. */
  replayed: number;
}

/** The retention that is now in effect. */
export interface Retained {
  /** It can't be deleted or replaced before this time. */
  keep_until: string | null;
  /** It is deleted automatically at this time. Files only. */
  delete_after: string | null;
  /** A legal hold. */
  hold: LegalHold | null;
}

/** The changes: members left out stay as they are, null removes a time. */
export interface RetentionBody {
  /** It can't be deleted or replaced before this time. Only admins can shorten it. */
  keep_until?: string | null;
  /** It is deleted automatically at this time. Not for projects. */
  delete_after?: string | null;
}

/** The rules of one family. */
export interface RetentionRule {
  family: "files" | "generations" | "event_media" | "profile_picture" | "temp" | "path" | string;
  /** Kept for this long after the commit. */
  keep_days: number | null;
  /** Deleted automatically at this age. */
  delete_after_days: number | null;
}

/** The rules of the installation; families without one are left out. */
export interface RetentionRules {
  rules: Array<RetentionRule>;
  /** How long files that were deleted automatically can be restored. */
  trash_seconds: number;
}

/** The links to revoke: those of a file by id or by key, or of all files. */
export interface RevokeBody {
  file_id?: string | null;
  key?: string | null;
  /** Every link to every file of the caller. Default: false. */
  all?: boolean;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** The version whose content becomes the newest again. */
export interface RollbackBody {
  /** A name for the new version. */
  version_name?: string | null;
  /** What changed, and why. */
  message?: string | null;
  /** Tags of the new version. A version with tags is never pruned. */
  tags?: Array<string> | null;
  version: number;
  expected_version?: number | null;
}

/** How long old secrets also sign. */
export interface RotationBody {
  /** Seconds; 0: not at all. Default: 86400. */
  overlap_seconds?: number;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** The rule in effect for a project. */
export interface Rule {
  success: true;
  keep_last: number;
  keep_daily_days: number;
  /** Whether it is the project's own rule; false: that of the settings. */
  own: boolean;
}

/** Which old versions are kept, besides those with a name or a tag. */
export interface RuleBody {
  /** Number of newest versions to keep; 0: all. */
  keep_last: number;
  /** Also keep the last version of each day (UTC), for this many days. Default: 0. */
  keep_daily_days?: number;
}

/** A tree to save. Send name and slug before files. */
export interface SaveBody {
  /** A name for the new version. */
  version_name?: string | null;
  /** What changed, and why. */
  message?: string | null;
  /** Tags of the new version. A version with tags is never pruned. */
  tags?: Array<string> | null;
  /** An S3 storage class, one of those that the installation allows uploads to choose. Default: "". */
  storage_class?: string;
  /** It can't be deleted or replaced before this time. */
  keep_until?: string | null;
  /** Like keep_until, in seconds from when it is stored. */
  keep_for_seconds?: number | null;
  /** Places a legal hold on it, with this reason. Default: "". */
  hold_reason?: string;
  name: string;
  slug: string;
  user_id?: string | null;
  /** Same as in the query: the version that the caller has seen. */
  expected_version?: number | null;
  files: Array<TreeFile>;
}

/** The response to a save. */
export interface Saved {
  success: true;
  message: string;
  project: SavedProject;
}

/** A generation that was saved. */
export interface SavedGeneration {
  success: true;
  message: string;
  generation: Generation;
}

/** The saved version. */
export interface SavedProject {
  name: string;
  slug: string;
  user_id: string;
  files_count: number;
  version: number;
}

/** The malware scanner's result for the content. */
export interface ScanResult {
  /** unscanned: stored without a scan, scanned later. infected: reading it is refused. */
  outcome: "clean" | "unscanned" | "infected";
  scanned_at?: string;
  /** Scanner and signature versions. */
  database?: string;
  /** What was found. */
  signature?: string;
  /** Why it is unscanned: `size`, `scanner`; none: not scanned yet. */
  cause?: string;
}

/** A part that was uploaded to S3. Clients may send the signed part with what S3 has answered. */
export interface SentPart {
  part_number: number;
  /** ETag from S3's response, quoted or not. */
  etag: string;
}

/** The process takes requests; which build it is. */
export interface Serving {
  status: "ok";
  version: string;
  /** Empty if unknown. */
  commit: string;
  /** Of the gRPC packages. */
  protocol: string;
}

/** A share, without its token. */
export interface Share {
  id: string;
  scope: "file" | "event" | "prefix" | "project" | "drop";
  file_id: string | null;
  event_id: string | null;
  prefix: string | null;
  project: string | null;
  version: number | null;
  drop: DropRules | null;
  title: string;
  has_password: boolean;
  expires_at: string | null;
  max_uses: number;
  uses: number;
  state: "active" | "revoked" | "expired" | "used_up";
  created_at: string;
  updated_at: string;
  last_used_at: string | null;
  revoked_at: string | null;
  /** Only in the response that creates it; it can't be shown again. */
  url?: string | null;
}

/** A share to create, of exactly one thing. */
export interface ShareBody {
  /** A file, with whatever content it has. */
  file_id?: string | null;
  /** The caller's media of an event. */
  event_id?: string | null;
  /** Files whose keys begin with this. */
  prefix?: string | null;
  /** A project, by its slug. */
  project?: string | null;
  /** Version of the project; 0: the current newest. Default: 0. */
  version?: number;
  /** Guests upload files, and see none. */
  drop?: DropBody | null;
  /** Shown to guests. Default: "". */
  title?: string;
  /** What guests have to enter; left out: nothing. Default: "". */
  password?: string;
  /** Validity in seconds; 0: unlimited. Default: 0. */
  expires_in?: number;
  expires_at?: string | null;
  /** How often it can be opened; 0: unlimited. Default: 0. */
  max_uses?: number;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** The changes; members left out stay as they are. */
export interface ShareEditBody {
  title?: string | null;
  /** A new password; empty: none. Current guests have to open the share again. */
  password?: string | null;
  expires_in?: number | null;
  expires_at?: string | null;
  max_uses?: number | null;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** A page, newest first. */
export interface ShareList {
  shares: Array<Share>;
  next_page_token: string | null;
}

/** A file that guests can read. */
export interface SharedFile {
  name: string;
  content_type: string;
  size: number;
  updated_at: string;
  /** Relative to the gateway; needs the same cookie. */
  url: string;
}

/** A share as guests see it, with a page of its files. */
export interface SharedPage {
  kind: "file" | "event" | "prefix" | "project" | "drop";
  title: string;
  /** What a guest has to POST first; null: nothing. */
  needs: "password" | "opening" | null;
  expires_at: string | null;
  files: Array<SharedFile>;
  next_page_token: string | null;
}

/** Where one part goes: PUT exactly these bytes with exactly these headers. */
export interface SignedPart {
  part_number: number;
  url: string;
  headers: Record<string, string>;
  offset: number;
  size: number;
}

/** A URL for reading. Permanent ones do not expire. */
export interface SignedUrl {
  success: true;
  signedUrl: string;
  expiresIn: number | null;
  expiresAt: string | null;
}

/** Counts and bytes, from one snapshot. */
export interface Stats {
  total: number;
  total_bytes: number;
  by_type: Record<string, TypeStats>;
  /** The last 30 days, oldest first. */
  by_day: Array<DayStats>;
  estimated_monthly_cost_usd: number;
}

/** The file. */
export interface StoredFile {
  id: string;
  key: string;
  family: string;
  /** A link: anyone who has it can read the file. */
  url: string | null;
  filename: string;
  size: number;
  content_type: string;
  etag: string;
  metadata: Record<string, string>;
  created_at: string;
}

/** A file that is deleted automatically. */
export interface TempFile {
  id: string;
  key: string;
  url: string | null;
  /** Bytes. */
  size: number;
  content_type: string;
  filename: string;
  created_at: string;
  expires_at: string;
}

/** A short-lived ticket that opens a stream of events. */
export interface Ticket {
  ticket: string;
  expires_at: string;
  expires_in_seconds: number;
}

/** What was deleted for good. */
export interface TrashEmptied {
  /** How many files. */
  purged: number;
  bytes: number;
  /** Whether there are more files to delete: call again. */
  more: boolean;
  /** Files that were skipped: kept until a time, or on legal hold. */
  kept: number;
}

/** The file was deleted for good. */
export interface TrashFilePurged {
  id: string;
  purged: true;
}

/** A page of the trash, most recently deleted first. */
export interface TrashList {
  files: Array<LibraryFile>;
  next_page_token: string | null;
}

/** One file of a tree. */
export interface TreeFile {
  /** Relative, with `/`; no `..`, no empty segments. */
  path: string;
  content: string;
  /** Default: "utf-8". */
  encoding?: "utf-8" | "base64";
  /** The executable bit. Default: as in the newest version. */
  executable?: boolean | null;
}

/** All files of a version by name, in order of path. */
export interface TreeListing {
  success: true;
  version: number;
  files: Array<NamedTreeFile>;
}

/** Number and bytes. */
export interface TypeStats {
  count: number;
  bytes: number;
}

/** The progress of an upload. */
export interface UploadState {
  upload_id: string;
  status: "open" | "finished";
  /** Bytes, once known. */
  size: number | null;
  /** Bytes that are stored durably; 0 for a direct upload until it is complete. */
  received: number;
  part_size: number;
  created_at: string | null;
  /** When it is removed if nothing more arrives. */
  expires_at: string | null;
  file: StoredFile | null;
}

/** A file that was stored. */
export interface UploadedFile {
  /** The key that identifies the file. */
  key: string;
  /** A link: anyone who has it can read the file, for an hour. */
  url: string | null;
  /** Bytes. */
  size: number;
  content_type: string;
  /** Entity tag, without quotes. */
  etag: string;
  /** user_id, original_filename, content_type, upload_timestamp, and class_id for audio. */
  metadata: Record<string, string>;
}

/** What the user has stored, and the limits. */
export interface UsageAndQuota {
  user_id: string;
  /** Of visible files; the trash does not count. */
  used_bytes: number;
  /** Reserved by uploads in progress. */
  reserved_bytes: number;
  file_count: number;
  /** Null: no limit. */
  limit_bytes: number | null;
  /** Null: no limit. */
  limit_files: number | null;
}

/** Usage of one user, also by family. */
export interface UserUsage {
  user_id: string;
  /** Of visible files; the trash does not count. */
  used_bytes: number;
  /** Reserved by uploads in progress. */
  reserved_bytes: number;
  file_count: number;
  /** Null: no limit. */
  limit_bytes: number | null;
  /** Null: no limit. */
  limit_files: number | null;
  families: Array<FamilyUsage>;
}

/** A page of users who have files or limits of their own. */
export interface UserUsageList {
  users: Array<UserUsage>;
  next_page_token: string | null;
}

/** The current run. */
export interface VerificationBegun {
  verification: VerificationRun;
  /** False: it was already running. */
  begun: boolean;
}

/** How deeply to compare. */
export interface VerificationBody {
  /** Default: "heads". */
  depth?: "listings" | "heads" | "bytes";
}

/** A comparison of all rows with all objects. */
export interface VerificationRun {
  id: string;
  state: "running" | "finished" | "failed";
  depth: "listings" | "heads" | "bytes";
  begun_at: string;
  ended_at: string | null;
  failure: string | null;
  shards: number;
  shards_done: number;
  rows: number;
  objects: number;
  files: number;
  /** Bytes of committed rows. */
  size: number;
  findings: Array<FindingCount>;
}

/** One version. */
export interface Version {
  version: number;
  created_at: string;
  files_count: number;
  total_bytes: number;
  added: number;
  changed: number;
  removed: number;
  rolled_back_to: number | null;
  name: string | null;
  message: string | null;
  tags: Array<string>;
}

/** Labels of a version. Members left out stay as they are; null removes. */
export interface VersionEdit {
  name?: string | null;
  message?: string | null;
  tags?: Array<string> | null;
}

/** All versions, newest first. */
export interface VersionList {
  success: true;
  versions: Array<Version>;
}

/** A webhook. */
export interface Webhook {
  id: string;
  url: string;
  description: string;
  /** None: all but progress. */
  types: Array<string>;
  /** None: all. */
  families: Array<string>;
  state: "active" | "paused" | "disabled";
  /** Why it is disabled: failing, gone or secret_unreadable. */
  cause: string | null;
  /** The last event for which deliveries were created. */
  cursor: string;
  pending: number;
  dead: number;
  delivered: number;
  failing_since: string | null;
  last_success_at: string | null;
  last_failure_at: string | null;
  last_failure: string | null;
  /** Events after this time may be lost. */
  lost_from: string | null;
  lost_until: string | null;
  /** Number of secrets that currently sign. */
  secrets: number;
  created_at: string;
  updated_at: string;
  /** Only in the response that creates it. */
  secret?: string;
}

/** A webhook to create. */
export interface WebhookBody {
  /** http or https; the rules of imports apply. */
  url: string;
  /** Default: "". */
  description?: string;
  /** Event types; none: all but progress. Default: []. */
  types?: Array<"upload_progress" | "file_ready" | "file_described" | "file_updated" | "file_deleted" | "file_damaged" | "file_infected" | "file_readable" | "import_failed" | "save_failed" | "project_save_progress" | "project_saved" | "project_deleted" | "webhook_disabled">;
  /** Families; none: all. Default: []. */
  families?: Array<"file" | "generation" | "event_media" | "profile_picture" | "temp" | "path" | "project_file" | "project">;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** The changes; members left out stay as they are. */
export interface WebhookEditBody {
  url?: string | null;
  description?: string | null;
  types?: Array<"upload_progress" | "file_ready" | "file_described" | "file_updated" | "file_deleted" | "file_damaged" | "file_infected" | "file_readable" | "import_failed" | "save_failed" | "project_save_progress" | "project_saved" | "project_deleted" | "webhook_disabled"> | null;
  families?: Array<"file" | "generation" | "event_media" | "profile_picture" | "temp" | "path" | "project_file" | "project"> | null;
  /** false reactivates it, also if it was disabled. */
  paused?: boolean | null;
  /** Act for this user (admin role only). */
  user_id?: string | null;
}

/** A page, newest first. */
export interface WebhookList {
  webhooks: Array<Webhook>;
  next_page_token: string | null;
}

/** Checksums of the whole file; each is verified before it becomes visible. */
export interface WholeChecksums {
  /** Big-endian. */
  crc32c?: string | null;
  md5?: string | null;
  sha1?: string | null;
  sha256?: string | null;
}

/** The retention that was asked for; null: not asked for. */
export interface Wished {
  keep_until: string | null;
  keep_for_seconds: number | null;
  delete_after: string | null;
  delete_after_seconds: number | null;
  hold_reason: string | null;
}

export interface Operations {
  /** Store a file */
  upload: { path: {  }; query: { user_id?: string }; body: {
      /** The file, with its name and type. */
      file: Blob;
      /** documents: PDF, office, text and e-book types; audio: audio types. */
      folder?: "uploads" | "documents" | "audio";
      /** The class a recording belongs to; required for audio, refused elsewhere. */
      class_id?: string;
      /** public: with a CDN configured, the file's URL is permanent and needs no S3 signature. For a file over 1 MiB this field must come before the file. */
      visibility?: "private" | "public";
      /** The file can't be deleted or replaced before this time. For a file over 1 MiB this and the next four fields must come before the file. */
      keep_until?: string;
      /** Like keep_until, in seconds from when it is stored. */
      keep_for_seconds?: number;
      /** The file is deleted automatically at this time. */
      delete_after?: string;
      /** The file is deleted automatically at this age. */
      delete_after_seconds?: number;
      /** Places a legal hold on it, with this reason. */
      hold_reason?: string;
      /** An S3 storage class, one of those that the installation allows uploads to choose. Must come before the file too. */
      storage_class?: string;
    }; reply: UploadedFile };
  /** List files */
  list_files: { path: {  }; query: { prefix?: string; delimiter?: "/"; max_keys?: number; continuation_token?: string; page_token?: string; user_id?: string }; body: undefined; reply: FileList };
  /** A URL for reading */
  file_url: { path: { key: string }; query: { expires_in?: number; user_id?: string }; body: undefined; reply: FileUrl };
  /** Get a file's metadata */
  file_metadata: { path: { key: string }; query: { user_id?: string }; body: undefined; reply: FileMetadata };
  /** Does a file exist? */
  file_exists: { path: { key: string }; query: { user_id?: string }; body: undefined; reply: FileExists };
  /** Read a file */
  file_content: { path: { key: string }; query: { user_id?: string }; body: undefined; reply: Response };
  /** Delete a file */
  delete_file: { path: { key: string }; query: { soft?: boolean; user_id?: string }; body: undefined; reply: FileDeleted };
  /** List generations */
  list_generations: { path: {  }; query: { type?: "text-to-image" | "text-to-video" | "image-to-image" | "image-to-video"; q?: string; created_after?: string; created_before?: string; size_min?: number; size_max?: number; [setting: `settings.${string}`]: string | number | boolean | undefined; limit?: number; offset?: number; page_token?: string; user_id?: string }; body: undefined; reply: GenerationList };
  /** Import a generation from a URL */
  create_generation: { path: {  }; query: { user_id?: string }; body: GenerationBody; reply: ImportedGeneration };
  /** Store a generation */
  upload_generation: { path: {  }; query: { user_id?: string }; body: {
      /** An image or a video. */
      file: Blob;
      type: "text-to-image" | "text-to-video" | "image-to-image" | "image-to-video";
      prompt?: string;
      /** JSON text; returned unchanged. */
      settings?: string;
      /** public: with a CDN configured, the file's URL is permanent and needs no S3 signature. For a file over 1 MiB this field must come before the file. */
      visibility?: "private" | "public";
      /** The file can't be deleted or replaced before this time. For a file over 1 MiB this and the next four fields must come before the file. */
      keep_until?: string;
      /** Like keep_until, in seconds from when it is stored. */
      keep_for_seconds?: number;
      /** The file is deleted automatically at this time. */
      delete_after?: string;
      /** The file is deleted automatically at this age. */
      delete_after_seconds?: number;
      /** Places a legal hold on it, with this reason. */
      hold_reason?: string;
      /** An S3 storage class, one of those that the installation allows uploads to choose. Must come before the file too. */
      storage_class?: string;
    }; reply: SavedGeneration };
  /** Import up to 50 generations */
  import_generations: { path: {  }; query: { user_id?: string }; body: BatchBody; reply: BatchResults };
  /** Counts and bytes */
  generation_stats: { path: {  }; query: { user_id?: string }; body: undefined; reply: GenerationStats };
  /** One generation */
  get_generation: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: OneGeneration };
  /** Delete a generation */
  delete_generation: { path: { id: string }; query: { soft?: boolean; user_id?: string }; body: undefined; reply: Done };
  /** A URL for reading */
  generation_url: { path: { id: string }; query: { expiresIn?: number; user_id?: string }; body: undefined; reply: SignedUrl };
  /** Read a generation */
  generation_content: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: Response };
  /** List an event's media */
  list_event_media: { path: { event_id: string }; query: { file_type?: string; q?: string; created_after?: string; created_before?: string; size_min?: number; size_max?: number; tag?: string; skip?: number; limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: MediaList };
  /** Store a medium */
  create_event_media: { path: { event_id: string }; query: { user_id?: string }; body: {
      /** The file, with its name and type. */
      file: Blob;
      title?: string;
      description?: string;
      /** Comma-separated; up to 32 of 64 characters. */
      tags?: string;
      /** public: with a CDN configured, the file's URL is permanent and needs no S3 signature. For a file over 1 MiB this field must come before the file. */
      visibility?: "private" | "public";
      /** The file can't be deleted or replaced before this time. For a file over 1 MiB this and the next four fields must come before the file. */
      keep_until?: string;
      /** Like keep_until, in seconds from when it is stored. */
      keep_for_seconds?: number;
      /** The file is deleted automatically at this time. */
      delete_after?: string;
      /** The file is deleted automatically at this age. */
      delete_after_seconds?: number;
      /** Places a legal hold on it, with this reason. */
      hold_reason?: string;
      /** An S3 storage class, one of those that the installation allows uploads to choose. Must come before the file too. */
      storage_class?: string;
    }; reply: Media };
  /** One medium */
  get_event_media: { path: { event_id: string; media_id: string }; query: { user_id?: string }; body: undefined; reply: Media };
  /** Edit a medium */
  update_event_media: { path: { event_id: string; media_id: string }; query: { user_id?: string }; body: MediaEdit; reply: Media };
  /** Delete a medium */
  delete_event_media: { path: { event_id: string; media_id: string }; query: { soft?: boolean; user_id?: string }; body: undefined; reply: undefined };
  /** Download a medium */
  download_event_media: { path: { event_id: string; media_id: string }; query: { user_id?: string }; body: undefined; reply: Response };
  /** Play a medium */
  stream_event_media: { path: { event_id: string; media_id: string }; query: { user_id?: string }; body: undefined; reply: Response };
  /** Read the profile picture */
  get_profile_picture: { path: {  }; query: { user_id?: string }; body: undefined; reply: Response };
  /** Replace the profile picture */
  put_profile_picture: { path: {  }; query: { user_id?: string }; body: {
      /** The file, with its name and type. */
      file: Blob;
      /** public: with a CDN configured, the file's URL is permanent and needs no S3 signature. For a file over 1 MiB this field must come before the file. */
      visibility?: "private" | "public";
      /** The file can't be deleted or replaced before this time. For a file over 1 MiB this and the next four fields must come before the file. */
      keep_until?: string;
      /** Like keep_until, in seconds from when it is stored. */
      keep_for_seconds?: number;
      /** The file is deleted automatically at this time. */
      delete_after?: string;
      /** The file is deleted automatically at this age. */
      delete_after_seconds?: number;
      /** Places a legal hold on it, with this reason. */
      hold_reason?: string;
      /** An S3 storage class, one of those that the installation allows uploads to choose. Must come before the file too. */
      storage_class?: string;
    }; reply: ProfilePicture };
  /** Delete the profile picture */
  delete_profile_picture: { path: {  }; query: { user_id?: string }; body: undefined; reply: undefined };
  /** Store a temporary file */
  create_temp_file: { path: {  }; query: { user_id?: string }; body: {
      /** The file, with its name and type. */
      file: Blob;
      ttl_seconds?: number;
      /** public: with a CDN configured, the file's URL is permanent and needs no S3 signature. For a file over 1 MiB this field must come before the file. */
      visibility?: "private" | "public";
    }; reply: TempFile };
  /** Get the version rule */
  get_version_rule: { path: { slug: string }; query: { user_id?: string }; body: undefined; reply: Rule };
  /** Set the version rule */
  set_version_rule: { path: { slug: string }; query: { user_id?: string }; body: RuleBody; reply: Rule };
  /** Reset the version rule to the settings */
  clear_version_rule: { path: { slug: string }; query: { user_id?: string }; body: undefined; reply: Rule };
  /** Save a tree */
  save_project: { path: {  }; query: { expected_version?: number; version_name?: string; message?: string; tags?: string; user_id?: string }; body: SaveBody; reply: Saved };
  /** Download a project */
  get_project_archive: { path: { slug: string }; query: { version?: number; user_id?: string }; body: undefined; reply: Response };
  /** Save a ZIP */
  save_project_archive: { path: { slug: string }; query: { name?: string; hold_reason?: string; keep_for_seconds?: number; keep_until?: string; storage_class?: string; expected_version?: number; version_name?: string; message?: string; tags?: string; user_id?: string }; body: BodyInit; reply: Saved };
  /** Read a project */
  get_project: { path: { slug: string }; query: { version?: number; user_id?: string }; body: undefined; reply: OneProject };
  /** Save some files */
  patch_project: { path: { slug: string }; query: { expected_version?: number; version_name?: string; message?: string; tags?: string; user_id?: string }; body: PatchBody | FormData; reply: Saved };
  /** Delete a project */
  delete_project: { path: { slug: string }; query: { expected_version?: number; user_id?: string }; body: undefined; reply: Done };
  /** List projects */
  list_projects: { path: {  }; query: { limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: ProjectList };
  /** List projects */
  project_history: { path: {  }; query: { limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: ProjectList };
  /** List a version's files */
  list_project_files: { path: { slug: string }; query: { version?: number; user_id?: string }; body: undefined; reply: TreeListing };
  /** Read one file */
  get_project_file: { path: { slug: string; path: string }; query: { version?: number; user_id?: string }; body: undefined; reply: Response };
  /** List versions */
  list_project_versions: { path: { slug: string }; query: { user_id?: string }; body: undefined; reply: VersionList };
  /** Name a version */
  edit_project_version: { path: { slug: string; version: number }; query: { user_id?: string }; body: VersionEdit; reply: OneVersion };
  /** Roll back */
  rollback_project: { path: { slug: string }; query: { version_name?: string; message?: string; tags?: string; user_id?: string }; body: RollbackBody; reply: Saved };
  /** A URL for an `<iframe>` */
  project_preview_url: { path: { slug: string }; query: { version?: number; expires_in?: number; user_id?: string }; body: undefined; reply: PreviewUrl };
  /** Preview the start page */
  preview_project_index: { path: { slug: string }; query: { user_id?: string }; body: undefined; reply: Response };
  /** Preview the start page */
  preview_project_folder: { path: { slug: string }; query: { user_id?: string }; body: undefined; reply: Response };
  /** Preview a file */
  preview_project: { path: { slug: string; path: string }; query: { user_id?: string }; body: undefined; reply: Response };
  /** The start page */
  show_preview: { path: { token: string }; query: {  }; body: undefined; reply: Response };
  /** A file that the page refers to */
  show_preview_file: { path: { token: string; path: string }; query: {  }; body: undefined; reply: Response };
  /** Read a file by its link */
  read_link: { path: { token: string; name: string }; query: {  }; body: undefined; reply: Response };
  /** Read a file by its link, without the name */
  read_link_without_name: { path: { token: string }; query: {  }; body: undefined; reply: Response };
  /** Make a link */
  make_link: { path: {  }; query: { user_id?: string }; body: LinkBody; reply: LinkMade };
  /** Make links to many files */
  make_links: { path: {  }; query: { user_id?: string }; body: LinkBatchBody; reply: LinksMade };
  /** Revoke links */
  revoke_links: { path: {  }; query: { user_id?: string }; body: RevokeBody; reply: LinksRevoked };
  /** Get a share */
  read_share: { path: { token: string }; query: { page_token?: string }; body: undefined; reply: SharedPage };
  /** Open a share */
  open_share: { path: { token: string }; query: {  }; body: {
      password?: string;
    }; reply: SharedPage };
  /** Read a file of a share */
  read_shared_file: { path: { token: string; item: string }; query: { download?: string }; body: undefined; reply: Response };
  /** All of a share as a ZIP */
  read_shared_archive: { path: { token: string }; query: {  }; body: undefined; reply: Response };
  /** Upload files into a drop */
  drop_files: { path: { token: string }; query: {  }; body: {
      file: Blob;
    }; reply: Dropped };
  /** List shares */
  list_shares: { path: {  }; query: { active?: boolean; limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: ShareList };
  /** Create a share */
  create_share: { path: {  }; query: { user_id?: string }; body: ShareBody; reply: Share };
  /** One share */
  get_share: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: Share };
  /** Edit a share */
  update_share: { path: { id: string }; query: { user_id?: string }; body: ShareEditBody; reply: Share };
  /** Revoke a share */
  revoke_share: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: Share };
  /** Get the retention rules */
  get_retention_rules: { path: {  }; query: { user_id?: string }; body: undefined; reply: RetentionRules };
  /** Set a file's retention */
  set_file_retention: { path: { file: string }; query: { user_id?: string }; body: RetentionBody; reply: Retained };
  /** Set a project's retention */
  set_project_retention: { path: { slug: string }; query: { user_id?: string }; body: RetentionBody; reply: Retained };
  /** Place a legal hold on a file */
  hold_file: { path: { file: string }; query: { user_id?: string }; body: HoldBody; reply: Retained };
  /** Lift a file's legal hold */
  release_file: { path: { file: string }; query: { user_id?: string }; body: undefined; reply: Retained };
  /** Place a legal hold on a project */
  hold_project: { path: { slug: string }; query: { user_id?: string }; body: HoldBody; reply: Retained };
  /** Lift a project's legal hold */
  release_project: { path: { slug: string }; query: { user_id?: string }; body: undefined; reply: Retained };
  /** A folder as a ZIP */
  folder_archive: { path: { folder: string }; query: { user_id?: string }; body: undefined; reply: Response };
  /** Delete a folder */
  delete_folder: { path: { folder: string }; query: { soft?: boolean; user_id?: string }; body: undefined; reply: FolderDeleted };
  /** List and search files */
  list_library_files: { path: {  }; query: { prefix?: string; delimiter?: "/"; family?: "files" | "generations" | "event_media" | "profile_picture" | "temp" | "path"; type?: string; q?: string; created_after?: string; created_before?: string; size_min?: number; size_max?: number; [setting: `settings.${string}`]: string | number | boolean | undefined; limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: LibraryList };
  /** Delete many files */
  delete_library_files: { path: {  }; query: { user_id?: string }; body: BatchDeleteBody; reply: BatchDeleteResults };
  /** Copy a file */
  copy_library_file: { path: { file: string }; query: { user_id?: string }; body: CopyBody; reply: LibraryFile };
  /** Move a file */
  move_library_file: { path: { file: string }; query: { user_id?: string }; body: CopyBody; reply: LibraryFile };
  /** Get a file's metadata */
  get_library_file: { path: { file: string }; query: { user_id?: string }; body: undefined; reply: LibraryFile };
  /** Edit a file */
  edit_library_file: { path: { file: string }; query: { user_id?: string }; body: FileEdit; reply: LibraryFile };
  /** Delete a file */
  delete_library_file: { path: { file: string }; query: { soft?: boolean; user_id?: string }; body: undefined; reply: LibraryFileDeleted };
  /** List the trash */
  list_trash: { path: {  }; query: { family?: "files" | "generations" | "event_media" | "profile_picture" | "temp" | "path"; limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: TrashList };
  /** Empty the trash */
  empty_trash: { path: {  }; query: { family?: "files" | "generations" | "event_media" | "profile_picture" | "temp" | "path"; user_id?: string }; body: undefined; reply: TrashEmptied };
  /** Restore a file */
  restore_from_trash: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: LibraryFile };
  /** Delete a file in the trash for good */
  purge_from_trash: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: TrashFilePurged };
  /** Estimated costs */
  get_costs: { path: {  }; query: { user_id?: string }; body: undefined; reply: Costs };
  /** Usage and quota */
  get_usage: { path: {  }; query: { user_id?: string }; body: undefined; reply: UsageAndQuota };
  /** Usage of all users */
  list_usage: { path: {  }; query: { sort?: "bytes" | "files" | "user"; limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: UserUsageList };
  /** Infected content of all users */
  list_infected: { path: {  }; query: { limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: InfectedList };
  /** Estimated costs of all users */
  get_all_costs: { path: {  }; query: { user_id?: string }; body: undefined; reply: Costs };
  /** Set a user's limits */
  set_quota: { path: { user: string }; query: { user_id?: string }; body: QuotaBody; reply: UsageAndQuota };
  /** The cleaner's backlog */
  get_cleaner: { path: {  }; query: { user_id?: string }; body: undefined; reply: Cleaner };
  /** The last verification */
  get_verification: { path: {  }; query: { user_id?: string }; body: undefined; reply: LastVerification };
  /** Verify now */
  start_verification: { path: {  }; query: { user_id?: string }; body: VerificationBody; reply: VerificationBegun };
  /** Findings of the last verification */
  list_findings: { path: {  }; query: { after?: number; limit?: number; user_id?: string }; body: undefined; reply: FindingList };
  /** The audit log */
  list_acts: { path: {  }; query: { before?: number; limit?: number; user_id?: string }; body: undefined; reply: ActList };
  /** Begin a direct upload */
  create_direct_upload: { path: {  }; query: { user_id?: string }; body: DirectBody; reply: DirectUpload };
  /** Get more part URLs */
  sign_direct_parts: { path: { id: string }; query: { user_id?: string }; body: PartsBody; reply: DirectUpload };
  /** Complete a direct upload */
  complete_direct_upload: { path: { id: string }; query: { user_id?: string }; body: CompleteBody; reply: CompletedUpload };
  /** Get an upload's progress */
  get_upload: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: UploadState };
  /** Cancel an upload */
  cancel_upload: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: undefined };
  /** Begin an upload, or concatenate partial ones */
  tus_create: { path: {  }; query: { user_id?: string }; body: BodyInit; reply: undefined };
  /** Get the tus version and extensions */
  tus_capabilities: { path: {  }; query: {  }; body: undefined; reply: undefined };
  /** Append bytes */
  tus_append: { path: { id: string }; query: { user_id?: string }; body: BodyInit; reply: undefined };
  /** Cancel an upload */
  tus_terminate: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: undefined };
  /** Get an upload's offset */
  tus_offset: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: undefined };
  /** Get the tus version and extensions */
  tus_upload_capabilities: { path: { id: string }; query: {  }; body: undefined; reply: undefined };
  /** Events as they happen */
  stream_notifications: { path: {  }; query: { last_event_id?: string; ticket?: string; user_id?: string }; body: undefined; reply: Response };
  /** Events of all users */
  stream_events_of_all: { path: {  }; query: { last_event_id?: string; types?: string; families?: string; users?: string; user_id?: string }; body: undefined; reply: Response };
  /** A ticket for EventSource */
  make_ticket: { path: {  }; query: { user_id?: string }; body: undefined; reply: Ticket };
  /** List webhooks */
  list_webhooks: { path: {  }; query: { limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: WebhookList };
  /** Create a webhook */
  create_webhook: { path: {  }; query: { user_id?: string }; body: WebhookBody; reply: Webhook };
  /** List webhooks (installation) */
  list_webhooks_of_all: { path: {  }; query: { limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: WebhookList };
  /** Create a webhook (installation) */
  create_webhook_of_all: { path: {  }; query: { user_id?: string }; body: WebhookBody; reply: Webhook };
  /** One webhook */
  get_webhook: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: Webhook };
  /** Edit a webhook */
  update_webhook: { path: { id: string }; query: { user_id?: string }; body: WebhookEditBody; reply: Webhook };
  /** Delete a webhook */
  delete_webhook: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: undefined };
  /** One webhook (installation) */
  get_webhook_of_all: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: Webhook };
  /** Edit a webhook (installation) */
  update_webhook_of_all: { path: { id: string }; query: { user_id?: string }; body: WebhookEditBody; reply: Webhook };
  /** Delete a webhook (installation) */
  delete_webhook_of_all: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: undefined };
  /** Rotate a webhook's secret */
  rotate_webhook_secret: { path: { id: string }; query: { user_id?: string }; body: RotationBody; reply: Webhook };
  /** Rotate a webhook's secret (installation) */
  rotate_webhook_secret_of_all: { path: { id: string }; query: { user_id?: string }; body: RotationBody; reply: Webhook };
  /** Test a webhook */
  test_webhook: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: Delivery };
  /** Test a webhook (installation) */
  test_webhook_of_all: { path: { id: string }; query: { user_id?: string }; body: undefined; reply: Delivery };
  /** List a webhook's deliveries */
  list_webhook_deliveries: { path: { id: string }; query: { state?: "pending" | "delivered" | "dead"; limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: DeliveryList };
  /** List a webhook's deliveries (installation) */
  list_webhook_deliveries_of_all: { path: { id: string }; query: { state?: "pending" | "delivered" | "dead"; limit?: number; page_token?: string; user_id?: string }; body: undefined; reply: DeliveryList };
  /** Resend deliveries */
  replay_webhook: { path: { id: string }; query: { user_id?: string }; body: ReplayBody; reply: Replayed };
  /** Resend deliveries (installation) */
  replay_webhook_of_all: { path: { id: string }; query: { user_id?: string }; body: ReplayBody; reply: Replayed };
  /** Is the process alive? */
  livez: { path: {  }; query: {  }; body: undefined; reply: Health };
  /** Does the process take requests? */
  healthz: { path: {  }; query: {  }; body: undefined; reply: Serving };
  /** Is everything reachable? */
  readyz: { path: {  }; query: {  }; body: undefined; reply: Ready };
  /** Prometheus metrics */
  metrics: { path: {  }; query: {  }; body: undefined; reply: Response };
}

/** Method, path, and what the answer is. */
export const ROUTES = {
  upload: ["POST", "/api/v1/s3/upload", "json"],
  list_files: ["GET", "/api/v1/s3/files", "json"],
  file_url: ["GET", "/api/v1/s3/file/{key}/url", "json"],
  file_metadata: ["GET", "/api/v1/s3/file/{key}/metadata", "json"],
  file_exists: ["GET", "/api/v1/s3/file/{key}/exists", "json"],
  file_content: ["GET", "/api/v1/s3/file/{key}", "bytes"],
  delete_file: ["DELETE", "/api/v1/s3/file/{key}", "json"],
  list_generations: ["GET", "/api/generations", "json"],
  create_generation: ["POST", "/api/generations", "json"],
  upload_generation: ["POST", "/api/generations/upload", "json"],
  import_generations: ["POST", "/api/generations/batch", "json"],
  generation_stats: ["GET", "/api/generations/stats", "json"],
  get_generation: ["GET", "/api/generations/{id}", "json"],
  delete_generation: ["DELETE", "/api/generations/{id}", "json"],
  generation_url: ["GET", "/api/generations/{id}/signed-url", "json"],
  generation_content: ["GET", "/api/generations/{id}/content", "bytes"],
  list_event_media: ["GET", "/api/v1/events/{event_id}/media", "json"],
  create_event_media: ["POST", "/api/v1/events/{event_id}/media", "json"],
  get_event_media: ["GET", "/api/v1/events/{event_id}/media/{media_id}", "json"],
  update_event_media: ["PATCH", "/api/v1/events/{event_id}/media/{media_id}", "json"],
  delete_event_media: ["DELETE", "/api/v1/events/{event_id}/media/{media_id}", "nothing"],
  download_event_media: ["GET", "/api/v1/events/{event_id}/media/{media_id}/download", "bytes"],
  stream_event_media: ["GET", "/api/v1/events/{event_id}/media/{media_id}/stream", "bytes"],
  get_profile_picture: ["GET", "/api/v1/users/me/profile-picture", "bytes"],
  put_profile_picture: ["PUT", "/api/v1/users/me/profile-picture", "json"],
  delete_profile_picture: ["DELETE", "/api/v1/users/me/profile-picture", "nothing"],
  create_temp_file: ["POST", "/api/v1/temp", "json"],
  get_version_rule: ["GET", "/api/projects/{slug}/version-rule", "json"],
  set_version_rule: ["PUT", "/api/projects/{slug}/version-rule", "json"],
  clear_version_rule: ["DELETE", "/api/projects/{slug}/version-rule", "json"],
  save_project: ["POST", "/api/projects/save", "json"],
  get_project_archive: ["GET", "/api/projects/{slug}/archive", "bytes"],
  save_project_archive: ["POST", "/api/projects/{slug}/archive", "json"],
  get_project: ["GET", "/api/projects/{slug}", "json"],
  patch_project: ["PATCH", "/api/projects/{slug}", "json"],
  delete_project: ["DELETE", "/api/projects/{slug}", "json"],
  list_projects: ["GET", "/api/projects", "json"],
  project_history: ["GET", "/api/project-history", "json"],
  list_project_files: ["GET", "/api/projects/{slug}/files", "json"],
  get_project_file: ["GET", "/api/projects/{slug}/files/{path}", "bytes"],
  list_project_versions: ["GET", "/api/projects/{slug}/versions", "json"],
  edit_project_version: ["PATCH", "/api/projects/{slug}/versions/{version}", "json"],
  rollback_project: ["POST", "/api/projects/{slug}/rollback", "json"],
  project_preview_url: ["GET", "/api/projects/{slug}/preview-url", "json"],
  preview_project_index: ["GET", "/api/sandbox-preview/{slug}", "bytes"],
  preview_project_folder: ["GET", "/api/sandbox-preview/{slug}/", "bytes"],
  preview_project: ["GET", "/api/sandbox-preview/{slug}/{path}", "bytes"],
  show_preview: ["GET", "/api/preview/{token}/", "bytes"],
  show_preview_file: ["GET", "/api/preview/{token}/{path}", "bytes"],
  read_link: ["GET", "/l/{token}/{name}", "bytes"],
  read_link_without_name: ["GET", "/l/{token}", "bytes"],
  make_link: ["POST", "/api/v1/links", "json"],
  make_links: ["POST", "/api/v1/links/batch", "json"],
  revoke_links: ["POST", "/api/v1/links/revoke", "json"],
  read_share: ["GET", "/s/{token}", "json"],
  open_share: ["POST", "/s/{token}", "json"],
  read_shared_file: ["GET", "/s/{token}/file/{item}", "bytes"],
  read_shared_archive: ["GET", "/s/{token}/archive", "bytes"],
  drop_files: ["POST", "/s/{token}/files", "json"],
  list_shares: ["GET", "/api/v1/shares", "json"],
  create_share: ["POST", "/api/v1/shares", "json"],
  get_share: ["GET", "/api/v1/shares/{id}", "json"],
  update_share: ["PATCH", "/api/v1/shares/{id}", "json"],
  revoke_share: ["DELETE", "/api/v1/shares/{id}", "json"],
  get_retention_rules: ["GET", "/api/v1/retention", "json"],
  set_file_retention: ["PATCH", "/api/v1/files/{file}/retention", "json"],
  set_project_retention: ["PATCH", "/api/projects/{slug}/retention", "json"],
  hold_file: ["PUT", "/api/v1/files/{file}/hold", "json"],
  release_file: ["DELETE", "/api/v1/files/{file}/hold", "json"],
  hold_project: ["PUT", "/api/projects/{slug}/hold", "json"],
  release_project: ["DELETE", "/api/projects/{slug}/hold", "json"],
  folder_archive: ["GET", "/api/v1/folders/{folder}/archive", "bytes"],
  delete_folder: ["DELETE", "/api/v1/folders/{folder}", "json"],
  list_library_files: ["GET", "/api/v1/files", "json"],
  delete_library_files: ["POST", "/api/v1/files/batch-delete", "json"],
  copy_library_file: ["POST", "/api/v1/files/{file}/copy", "json"],
  move_library_file: ["POST", "/api/v1/files/{file}/move", "json"],
  get_library_file: ["GET", "/api/v1/files/{file}", "json"],
  edit_library_file: ["PATCH", "/api/v1/files/{file}", "json"],
  delete_library_file: ["DELETE", "/api/v1/files/{file}", "json"],
  list_trash: ["GET", "/api/v1/trash", "json"],
  empty_trash: ["DELETE", "/api/v1/trash", "json"],
  restore_from_trash: ["POST", "/api/v1/trash/{id}/restore", "json"],
  purge_from_trash: ["DELETE", "/api/v1/trash/{id}", "json"],
  get_costs: ["GET", "/api/v1/usage/costs", "json"],
  get_usage: ["GET", "/api/v1/usage", "json"],
  list_usage: ["GET", "/api/admin/usage", "json"],
  list_infected: ["GET", "/api/admin/infected", "json"],
  get_all_costs: ["GET", "/api/admin/costs", "json"],
  set_quota: ["PUT", "/api/admin/quotas/{user}", "json"],
  get_cleaner: ["GET", "/api/admin/cleaner", "json"],
  get_verification: ["GET", "/api/admin/verification", "json"],
  start_verification: ["POST", "/api/admin/verification", "json"],
  list_findings: ["GET", "/api/admin/verification/findings", "json"],
  list_acts: ["GET", "/api/admin/acts", "json"],
  create_direct_upload: ["POST", "/api/v1/uploads", "json"],
  sign_direct_parts: ["POST", "/api/v1/uploads/{id}/parts", "json"],
  complete_direct_upload: ["POST", "/api/v1/uploads/{id}/complete", "json"],
  get_upload: ["GET", "/api/v1/uploads/{id}", "json"],
  cancel_upload: ["DELETE", "/api/v1/uploads/{id}", "nothing"],
  tus_create: ["POST", "/files", "nothing"],
  tus_capabilities: ["OPTIONS", "/files", "nothing"],
  tus_append: ["PATCH", "/files/{id}", "nothing"],
  tus_terminate: ["DELETE", "/files/{id}", "nothing"],
  tus_offset: ["HEAD", "/files/{id}", "nothing"],
  tus_upload_capabilities: ["OPTIONS", "/files/{id}", "nothing"],
  stream_notifications: ["GET", "/api/notifications", "bytes"],
  stream_events_of_all: ["GET", "/api/admin/events", "bytes"],
  make_ticket: ["POST", "/api/notifications/ticket", "json"],
  list_webhooks: ["GET", "/api/webhooks", "json"],
  create_webhook: ["POST", "/api/webhooks", "json"],
  list_webhooks_of_all: ["GET", "/api/admin/webhooks", "json"],
  create_webhook_of_all: ["POST", "/api/admin/webhooks", "json"],
  get_webhook: ["GET", "/api/webhooks/{id}", "json"],
  update_webhook: ["PATCH", "/api/webhooks/{id}", "json"],
  delete_webhook: ["DELETE", "/api/webhooks/{id}", "nothing"],
  get_webhook_of_all: ["GET", "/api/admin/webhooks/{id}", "json"],
  update_webhook_of_all: ["PATCH", "/api/admin/webhooks/{id}", "json"],
  delete_webhook_of_all: ["DELETE", "/api/admin/webhooks/{id}", "nothing"],
  rotate_webhook_secret: ["POST", "/api/webhooks/{id}/secret", "json"],
  rotate_webhook_secret_of_all: ["POST", "/api/admin/webhooks/{id}/secret", "json"],
  test_webhook: ["POST", "/api/webhooks/{id}/test", "json"],
  test_webhook_of_all: ["POST", "/api/admin/webhooks/{id}/test", "json"],
  list_webhook_deliveries: ["GET", "/api/webhooks/{id}/deliveries", "json"],
  list_webhook_deliveries_of_all: ["GET", "/api/admin/webhooks/{id}/deliveries", "json"],
  replay_webhook: ["POST", "/api/webhooks/{id}/replay", "json"],
  replay_webhook_of_all: ["POST", "/api/admin/webhooks/{id}/replay", "json"],
  livez: ["GET", "/livez", "json"],
  healthz: ["GET", "/healthz", "json"],
  readyz: ["GET", "/readyz", "json"],
  metrics: ["GET", "/metrics", "bytes"],
} as const;

/** What `code` of a problem can be. */
export const CODES = [
  "ACT_IN_PROGRESS",
  "ALREADY_EXISTS",
  "ARCHIVE_INVALID",
  "BUCKET_MISSING",
  "BUCKET_NOT_VERSIONED",
  "CANCELLED",
  "CHECKSUM_MISMATCH",
  "CHUNK_TOO_LARGE",
  "CONTENT_INFECTED",
  "CONTENT_TYPE_MISMATCH",
  "CONTENT_TYPE_NOT_ALLOWED",
  "DATABASE_UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "DROP_FULL",
  "FILE_COUNT_EXCEEDED",
  "FILE_NOT_FOUND",
  "IDEMPOTENCY_KEY_REUSED",
  "INTERNAL",
  "INTERNAL_TOKEN_INVALID",
  "INVALID_FIELD",
  "INVALID_PAGE_TOKEN",
  "MALFORMED_REQUEST",
  "METHOD_NOT_ALLOWED",
  "NOT_FOUND",
  "NOT_IMPLEMENTED",
  "OBJECT_ARCHIVED",
  "OBJECT_LOST",
  "OBJECT_STORE_DENIED",
  "OBJECT_STORE_FULL",
  "OBJECT_STORE_NO_CREDENTIALS",
  "OBJECT_STORE_REFUSED",
  "OBJECT_STORE_THROTTLED",
  "OBJECT_STORE_UNAVAILABLE",
  "OBJECT_STORE_WRONG_REGION",
  "OFFSET_OUT_OF_RANGE",
  "OVERLOADED",
  "PATH_INVALID",
  "PERMISSION_DENIED",
  "PICTURE_REFUSED",
  "PRECONDITION_FAILED",
  "PROJECT_LIMIT_EXCEEDED",
  "PROJECT_NOT_FOUND",
  "QUOTA_EXCEEDED",
  "RANGE_NOT_SATISFIABLE",
  "RATE_LIMITED",
  "REPAIR_REFUSED",
  "REQUEST_IN_PROGRESS",
  "RETENTION_HELD",
  "SCANNER_UNAVAILABLE",
  "SERVICE_UNAVAILABLE",
  "SHARE_ENDED",
  "SHARE_LOCKED",
  "SHARE_NOT_FOUND",
  "SHARE_PASSWORD_WRONG",
  "SIZE_LIMIT_EXCEEDED",
  "SIZE_MISMATCH",
  "SOURCE_URL_FAILED",
  "SOURCE_URL_REFUSED",
  "TOKEN_EXPIRED",
  "TOKEN_INVALID",
  "TOKEN_MISSING",
  "UNSUPPORTED_MEDIA_TYPE",
  "UPLOAD_EXPIRED",
  "UPLOAD_INCOMPLETE",
  "UPLOAD_LOST",
  "UPLOAD_NOT_FOUND",
  "UPLOAD_SUPERSEDED",
  "USER_BEING_ERASED",
  "USER_MISMATCH",
  "VERSION_CONFLICT",
  "VERSION_NOT_FOUND",
  "WEBHOOK_LIMIT_REACHED",
  "WEBHOOK_NOT_FOUND",
] as const;
export type Code = (typeof CODES)[number];

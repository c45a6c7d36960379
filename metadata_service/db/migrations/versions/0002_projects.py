"""Projects: versions, files, saves in progress, and keys to check.

Revision ID: 0002
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import secure

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PROJECTS = """
CREATE TABLE projects (
    owner_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    slug text COLLATE "C" NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    file_count bigint NOT NULL DEFAULT 0,
    size_bytes bigint NOT NULL DEFAULT 0,
    has_frontend boolean NOT NULL DEFAULT false,
    has_backend boolean NOT NULL DEFAULT false,
    tech_stack text[] NOT NULL DEFAULT '{}'::text[],
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT projects_pkey PRIMARY KEY (owner_id, id),
    CONSTRAINT projects_slug UNIQUE (owner_id, slug)
)
"""
VERSIONS = """
CREATE TABLE project_versions (
    owner_id text COLLATE "C" NOT NULL,
    project_id uuid NOT NULL,
    version bigint NOT NULL,
    save_id uuid NOT NULL,
    file_count bigint NOT NULL DEFAULT 0,
    size_bytes bigint NOT NULL DEFAULT 0,
    has_frontend boolean NOT NULL DEFAULT false,
    has_backend boolean NOT NULL DEFAULT false,
    tech_stack text[] NOT NULL DEFAULT '{}'::text[],
    added bigint NOT NULL,
    changed bigint NOT NULL,
    removed bigint NOT NULL,
    rolled_back_to bigint NOT NULL,
    content_sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT project_versions_pkey PRIMARY KEY (owner_id, project_id, version),
    CONSTRAINT project_versions_save UNIQUE (owner_id, save_id),
    CONSTRAINT project_versions_project FOREIGN KEY (owner_id, project_id)
        REFERENCES projects (owner_id, id) ON DELETE CASCADE
)
"""
FILES = """
CREATE TABLE project_files (
    owner_id text COLLATE "C" NOT NULL,
    project_id uuid NOT NULL,
    path text COLLATE "C" NOT NULL,
    from_version bigint NOT NULL,
    until_version bigint,
    blob_id uuid NOT NULL,
    version_id text NOT NULL,
    etag text NOT NULL,
    crc32c bigint NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    content_type text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT project_files_pkey PRIMARY KEY (owner_id, project_id, path, from_version),
    CONSTRAINT project_files_project FOREIGN KEY (owner_id, project_id)
        REFERENCES projects (owner_id, id) ON DELETE CASCADE,
    CONSTRAINT project_files_blob FOREIGN KEY (owner_id, blob_id) REFERENCES blobs (owner_id, id),
    CONSTRAINT project_files_versions CHECK (until_version > from_version)
)
"""
SAVES = """
CREATE TABLE project_saves (
    owner_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    base_version bigint NOT NULL,
    request_id text NOT NULL,
    lease_expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT project_saves_pkey PRIMARY KEY (owner_id, id),
    CONSTRAINT project_saves_one UNIQUE (owner_id, project_id),
    CONSTRAINT project_saves_project FOREIGN KEY (owner_id, project_id) REFERENCES projects (owner_id, id)
)
"""
SAVE_FILES = """
CREATE TABLE project_save_files (
    owner_id text COLLATE "C" NOT NULL,
    save_id uuid NOT NULL,
    path text COLLATE "C" NOT NULL,
    blob_id uuid,
    size_bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    content_type text NOT NULL,
    version_id text,
    etag text,
    crc32c bigint,
    CONSTRAINT project_save_files_pkey PRIMARY KEY (owner_id, save_id, path),
    CONSTRAINT project_save_files_save FOREIGN KEY (owner_id, save_id)
        REFERENCES project_saves (owner_id, id) ON DELETE CASCADE,
    CONSTRAINT project_save_files_blob FOREIGN KEY (owner_id, blob_id) REFERENCES blobs (owner_id, id)
)
"""
KEYS = """
CREATE TABLE project_keys (
    owner_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    slug text COLLATE "C" NOT NULL,
    path text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL DEFAULT 1,
    attempts integer NOT NULL DEFAULT 0,
    touched_at timestamptz NOT NULL DEFAULT now(),
    not_before timestamptz NOT NULL,
    CONSTRAINT project_keys_pkey PRIMARY KEY (owner_id, key)
)
"""
NEWEST = """
CREATE UNIQUE INDEX project_files_newest ON project_files (owner_id, project_id, path)
WHERE until_version IS NULL
"""
INDEXES = (
    NEWEST,
    "CREATE INDEX projects_by_change ON projects (owner_id, updated_at, id) WHERE version > 0",
    "CREATE UNIQUE INDEX project_files_by_blob ON project_files (owner_id, blob_id)",
    "CREATE INDEX project_saves_expiring ON project_saves (lease_expires_at)",
    "CREATE UNIQUE INDEX project_save_files_by_blob ON project_save_files (owner_id, blob_id)",
    "CREATE INDEX project_keys_due ON project_keys (not_before)",
    "CREATE INDEX project_keys_by_project ON project_keys (owner_id, slug)",
)
TABLES = {
    "projects": PROJECTS,
    "project_versions": VERSIONS,
    "project_files": FILES,
    "project_saves": SAVES,
    "project_save_files": SAVE_FILES,
    "project_keys": KEYS,
}


def upgrade() -> None:
    for name, statement in TABLES.items():
        op.execute(statement)
        secure(name)
    for statement in INDEXES:
        op.execute(statement)


def downgrade() -> None:
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")

"""A file service as it is usually written, as small as possible, for comparison with Strongroom.

A checked JWT, a stored object, a row, a JSON answer. Run by ``uvicorn --factory
benchmarks.naive.app:create_app`` with NAIVE_DATABASE_URL, NAIVE_JWT_SECRET and NAIVE_S3_ENDPOINT.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import boto3
import jwt
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Index, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

BUCKET = "bench"


class Base(DeclarativeBase):
    """The declarative base of the only table."""


class StoredFile(Base):
    """A row per file."""

    __tablename__ = "stored_files"
    __table_args__ = (Index("stored_files_owner_key", "owner", "key"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    owner: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    filename: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class FileOut(BaseModel):
    """The answer of the routes."""

    model_config = ConfigDict(from_attributes=True)

    key: str
    size: int
    content_type: str
    created_at: datetime


router = APIRouter()
bearer = HTTPBearer()


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session per request."""
    async with request.app.state.sessions() as opened:
        yield opened


def user(credentials: HTTPAuthorizationCredentials = Depends(bearer)) -> str:
    """The `sub` of a valid token; 401 otherwise."""
    try:
        claims = jwt.decode(credentials.credentials, os.environ["NAIVE_JWT_SECRET"], algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise HTTPException(401, "bad token") from None
    return str(claims["sub"])


@router.post("/files", status_code=201)
async def upload(
    request: Request,
    file: UploadFile,
    owner: str = Depends(user),
    db: AsyncSession = Depends(session),
) -> FileOut:
    """Spool the form, send the file to S3, write the row."""
    key = f"uploads/{owner}/{uuid.uuid4()}.bin"
    content_type = file.content_type or "application/octet-stream"
    extra = {"ContentType": content_type}
    await run_in_threadpool(request.app.state.s3.upload_fileobj, file.file, BUCKET, key, ExtraArgs=extra)
    row = StoredFile(
        owner=owner,
        key=key,
        filename=file.filename or "",
        content_type=content_type,
        size=file.size,
    )
    db.add(row)
    await db.commit()
    return FileOut.model_validate(row)


@router.get("/files")
async def list_files(
    owner: str = Depends(user), db: AsyncSession = Depends(session), max_keys: int = 100
) -> list[FileOut]:
    """The caller's files in key order."""
    query = select(StoredFile).where(StoredFile.owner == owner).order_by(StoredFile.key).limit(max_keys)
    return [FileOut.model_validate(row) for row in await db.scalars(query)]


@router.get("/files/{key:path}")
async def download(
    request: Request, key: str, owner: str = Depends(user), db: AsyncSession = Depends(session)
) -> StreamingResponse:
    """Stream the object through."""
    row = await db.scalar(select(StoredFile).where(StoredFile.key == key, StoredFile.owner == owner))
    if row is None:
        raise HTTPException(404)
    found = await run_in_threadpool(request.app.state.s3.get_object, Bucket=BUCKET, Key=key)
    return StreamingResponse(
        found["Body"].iter_chunks(64 * 1024),
        media_type=row.content_type,
        headers={"Content-Length": str(row.size)},
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    engine = create_async_engine(os.environ["NAIVE_DATABASE_URL"], pool_size=20)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.state.s3 = boto3.client(
        "s3",
        endpoint_url=os.environ["NAIVE_S3_ENDPOINT"],
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        region_name="us-east-1",
    )
    yield
    await engine.dispose()


def create_app() -> FastAPI:
    """The app; its settings come from the environment."""
    app = FastAPI(lifespan=_lifespan)
    app.include_router(router)
    return app

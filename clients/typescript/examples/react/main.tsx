// The page of an application: upload, gallery, video, project. `npm run build && npm run example`, then serve this folder;
// the gateway and the token stand behind `#` in the address.
import { StrictMode, useCallback, useEffect, useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import { Strongroom, StrongroomError } from "strongroom-client";
import type { Media } from "strongroom-client";

interface Settings {
  url: string;
  token: string;
  event: string;
}

function Studio({ url, token, event }: Settings) {
  const client = useMemo(() => new Strongroom({ url, token }), [url, token]);
  const [media, setMedia] = useState<Media[]>([]);
  const [told, setTold] = useState("");
  const guarded = useCallback(async (work: () => Promise<string>) => {
    try {
      setTold(await work());
    } catch (error) {
      setTold(error instanceof StrongroomError ? `${error.code}: ${error.message}` : String(error));
    }
  }, []);
  const refresh = useCallback(async () => setMedia((await client.media.list(event)).items), [client, event]);

  useEffect(() => {
    const stop = new AbortController();
    void refresh().catch((error: unknown) => setTold(String(error)));
    void (async () => {
      for await (const happened of client.events({ signal: stop.signal, onOpen: () => setTold("live") })) {
        if (happened.type.startsWith("file_")) await refresh();
      }
    })();
    return () => stop.abort();
  }, [client, refresh]);

  return (
    <main>
      <h1>Studio</h1>
      <p role="status">{told}</p>
      <Upload client={client} event={event} guarded={guarded} />
      <ul>
        {media.map((one) => (
          <li key={one.id}>
            <Medium medium={one} />
          </li>
        ))}
      </ul>
      <Project client={client} guarded={guarded} />
    </main>
  );
}

type Guarded = (work: () => Promise<string>) => Promise<void>;

function Upload({ client, event, guarded }: { client: Strongroom; event: string; guarded: Guarded }) {
  const [share, setShare] = useState<number | null>(null);
  const send = (file: File): Promise<void> =>
    guarded(async () => {
      const target = { family: "event_media", event_id: event, title: file.name };
      const onProgress = (sent: number, total: number): void => setShare(total === 0 ? 1 : sent / total);
      if (file.size > 8 * 1024 * 1024) await client.uploadResumable(file, target, { onProgress }).done;
      else await client.media.upload(event, file, { title: file.name }, { onProgress });
      return `stored ${file.name}`;
    });
  return (
    <label>
      Picture or video{" "}
      <input
        type="file"
        accept="image/*,video/*"
        onChange={(change) => {
          const file = change.target.files?.[0];
          if (file !== undefined) void send(file);
        }}
      />
      {share !== null && <progress value={share} />}
    </label>
  );
}

function Medium({ medium }: { medium: Media }) {
  if (medium.file_url === null) return <span>{medium.title}</span>;
  if (medium.file_type.startsWith("video/")) return <video src={medium.file_url} controls preload="metadata" />;
  const turned = (medium.orientation ?? 1) >= 5;
  const sides = turned ? [medium.height, medium.width] : [medium.width, medium.height];
  return (
    <img
      src={medium.file_url}
      alt={medium.title ?? ""}
      loading="lazy"
      style={medium.width === undefined ? {} : { aspectRatio: `${sides[0]} / ${sides[1]}` }}
    />
  );
}

function Project({ client, guarded }: { client: Strongroom; guarded: Guarded }) {
  const [page, setPage] = useState("<h1>Hello</h1>");
  const [preview, setPreview] = useState("");
  const save = (): Promise<void> =>
    guarded(async () => {
      const files = [{ path: "index.html", content: page }];
      const saved = await client.projects.save({ name: "Studio", slug: "studio", files });
      setPreview((await client.projects.previewUrl("studio")).preview_url);
      return `saved version ${saved.project.version}`;
    });
  return (
    <section>
      <h2>Project</h2>
      <textarea aria-label="index.html" value={page} onChange={(change) => setPage(change.target.value)} />
      <button type="button" onClick={() => void save()}>
        Save
      </button>
      {preview !== "" && <iframe title="Preview" src={preview} />}
    </section>
  );
}

const settings = JSON.parse(decodeURIComponent(location.hash.slice(1))) as Settings;
const root = document.getElementById("root");
if (root !== null) createRoot(root).render(<StrictMode><Studio {...settings} /></StrictMode>);

"""Operation of the gateway: health, readiness, metrics. No token is needed."""

from __future__ import annotations

from gateway.families.system.shapes import Health, NotReady, Ready, Serving
from gateway.http.problems import problem_body, problem_reply
from gateway.http.reply import JsonReply, Reply, header, json_reply
from gateway.metrics import CONTENT_TYPE
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.readiness import OK
from strongroom.errors import NotFound, ServiceUnavailable
from strongroom.version import this_build

routes = Routes("system", public=True)


@routes.add("GET", "/livez")
async def livez(call: Call) -> JsonReply[Health]:  # noqa: ARG001 - a handler's signature
    """The process answers. Restart it only if this fails."""
    return json_reply({"status": "ok"})


@routes.add("GET", "/healthz")
async def healthz(call: Call) -> JsonReply[Serving]:
    """The process takes requests. Says nothing about the services behind it, which all replicas share."""
    if call.services.draining.begun:
        raise ServiceUnavailable("This server is leaving; ask another one.", retry_after=1.0)
    if call.services.draining.is_drained():
        raise ServiceUnavailable("This server is being drained; ask another one.", retry_after=1.0)
    build = this_build(call.services.settings.commit)
    return json_reply(
        {"status": "ok", "version": build.version, "commit": build.commit, "protocol": build.protocol}
    )


@routes.add("GET", "/readyz")
async def readyz(call: Call) -> JsonReply[Ready] | Reply:
    """Both services, Postgres and S3 answer; each is named."""
    checks = await call.services.readiness.look()
    failed = [f"{name}: {state}" for name, state in checks.items() if state != OK]
    if not failed:
        return json_reply({"status": "ready", "checks": checks})
    error = ServiceUnavailable(f"Not ready: {'; '.join(failed)}.")
    body: NotReady = {**problem_body(error, call.request_id), "checks": checks}
    return problem_reply(error, body)


@routes.add("GET", "/metrics")
async def metrics(call: Call) -> Reply:
    """Prometheus' text format. If metrics have an address of their own, they are only there."""
    if call.services.settings.metrics_bind:
        raise NotFound("There is no such route.")
    return Reply(200, call.services.metrics.render(), [header("content-type", CONTENT_TYPE)])

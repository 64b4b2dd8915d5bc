"""A Flask application."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

from flask import Flask, Response, jsonify, request, send_file

app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name: str) -> str:
    return f"hello {name} {request.args.get('q', '')}"


@app.post("/json")
def as_json() -> Response:
    return jsonify(got=request.get_json())


@app.post("/form")
def form() -> Response:
    return jsonify(request.form)


@app.post("/upload")
def upload() -> Response:
    return jsonify({name: hashlib.sha256(file.read()).hexdigest() for name, file in request.files.items()})


@app.get("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        for number in range(5):
            yield f"line {number}\n"

    return Response(lines(), mimetype="text/plain")


@app.get("/cookies")
def cookies() -> Response:
    answer = Response("set")
    answer.set_cookie("one", "1")
    answer.set_cookie("two", "2")
    return answer


@app.get("/file")
def file() -> Response:
    return send_file(io.BytesIO(b"0123456789" * 1000), mimetype="application/octet-stream")


@app.get("/redirect")
def redirect() -> Response:
    return Response(status=302, headers={"Location": "/hello/redirected"})


@app.get("/fail")
def fail() -> str:
    raise LookupError("the view failed")

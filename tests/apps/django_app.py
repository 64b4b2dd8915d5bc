"""A Django project in one module."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    DEBUG=False,
    SECRET_KEY="not a secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)
django.setup()


def hello(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(f"hello {name} {request.GET.get('q', '')}")


def as_json(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"got": json.loads(request.body)})


def form(request: HttpRequest) -> JsonResponse:
    return JsonResponse(request.POST.dict())


def upload(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        {name: hashlib.sha256(file.read()).hexdigest() for name, file in request.FILES.items()}
    )


def stream(_request: HttpRequest) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        for number in range(5):
            yield f"line {number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def cookies(_request: HttpRequest) -> HttpResponse:
    answer = HttpResponse("set")
    answer.set_cookie("one", "1")
    answer.set_cookie("two", "2")
    return answer


def file(_request: HttpRequest) -> FileResponse:
    return FileResponse(io.BytesIO(b"0123456789" * 1000), content_type="application/octet-stream")


def redirect(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=302, headers={"Location": "/hello/redirected"})


def fail(_request: HttpRequest) -> HttpResponse:
    raise LookupError("the view failed")


urlpatterns = [
    path("hello/<str:name>", hello),
    path("json", as_json),
    path("form", form),
    path("upload", upload),
    path("stream", stream),
    path("cookies", cookies),
    path("file", file),
    path("redirect", redirect),
    path("fail", fail),
]

application = get_wsgi_application()

"""A Django project in one module."""

from django.conf import settings

settings.configure(DEBUG=False, SECRET_KEY="test", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def item(request, number):
    return JsonResponse({"number": number})


def fail(request):
    raise ValueError("broken")


def refuse(request):
    return HttpResponse("no", status=503)


def half(request):
    def body():
        yield b"one"
        raise RuntimeError("half")

    return StreamingHttpResponse(body())


urlpatterns = [
    path("django/item/<int:number>", item),
    path("django/fail", fail),
    path("django/refuse", refuse),
    path("django/half", half),
]

"""Flask: its own logger, a view that raises, and a field that a view adds to its access record.

    logserve -w 2 --chdir examples/flask app:app
    curl http://127.0.0.1:8000/orders/17
    curl http://127.0.0.1:8000/broken

app.logger needs no handler of its own: what Flask logs (the traceback of /broken, too) goes to the server's
handlers with the request's id. The access record of an order says which order it was.
"""

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from logserve import current_request

app = Flask(__name__)


@app.get("/")
def index() -> ResponseReturnValue:
    app.logger.info("somebody looks around")
    return "Hello from Flask\n"


@app.get("/orders/<int:number>")
def order(number: int) -> ResponseReturnValue:
    app.logger.info("order %d is shown", number, extra={"order": number})
    request = current_request()
    if request is not None:  # None under `flask run`: the application works everywhere
        request.add(order=number)
    return jsonify(order=number, request_id=request.id if request is not None else None)


@app.get("/broken")
def broken() -> ResponseReturnValue:
    raise ValueError("this view never worked")

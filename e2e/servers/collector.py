"""A receiver of OTLP over HTTP that decodes with the protocol's own Python package, and prints what it was told, a line of JSON an export."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

KINDS = {
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse),
    "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        request, response = KINDS[self.path]
        assert self.headers["content-type"] == "application/x-protobuf"
        message = request.FromString(body)
        # What a field of another number or type would become.
        unknown = request.FromString(body)
        unknown.DiscardUnknownFields()
        assert unknown.SerializeToString() == message.SerializeToString(), "there are fields that OTLP does not have"
        line = {"path": self.path, "said": MessageToDict(message)}
        with open(sys.argv[2], "a", encoding="utf-8") as kept:
            kept.write(json.dumps(line) + "\n")
        answer = response().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()

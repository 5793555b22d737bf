"""The barest Tornado WebSocket: `/ws` sends back what comes, `/telemetry` sends one client 20 lines a second."""

import asyncio

import tornado.ioloop
import tornado.web
import tornado.websocket

from tests.bench.anchors.plain import Page, serve

STATE = (
    '{"type":"state","tick":%d,"state":"armed","applied":{"left":0.41,"right":0.55},"link":{"age_s":0.021}}'
)


class Echo(tornado.websocket.WebSocketHandler):
    def open(self) -> None:
        self.set_nodelay(True)

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)


class Telemetry(tornado.websocket.WebSocketHandler):
    def open(self) -> None:
        self.set_nodelay(True)
        self.tick = 0
        self.timer = tornado.ioloop.PeriodicCallback(self.send, 50)
        self.timer.start()

    def send(self) -> None:
        self.tick += 1
        self.write_message(STATE % self.tick)

    def on_message(self, message: str | bytes) -> None:
        pass

    def on_close(self) -> None:
        self.timer.stop()


if __name__ == "__main__":
    app = tornado.web.Application([("/", Page), ("/ws", Echo), ("/telemetry", Telemetry)])
    asyncio.run(serve(app))

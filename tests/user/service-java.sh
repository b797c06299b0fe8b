#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# service-java.sh - an HTTP server of Java's with a pool of threads, whose memory is collected at each request, and whose
# timers go on in a child.
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "$0")/service.sh"
need_command java
need_command javac

cat >Server.java <<'END'
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

public class Server {
    public static void main(String[] arguments) throws Exception {
        AtomicLong count = new AtomicLong(), ticks = new AtomicLong();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 0);
        Executors.newScheduledThreadPool(1).scheduleAtFixedRate(ticks::incrementAndGet, 0, 5, TimeUnit.MILLISECONDS);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> {
            boolean asksTicks = exchange.getRequestURI().getPath().equals("/ticks");
            byte[] answer = ((asksTicks ? ticks.get() : count.incrementAndGet()) + "\n").getBytes();
            if (!asksTicks)
                System.gc();
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
    }
}
END
javac Server.java 2>javac.err || broken "$(cat javac.err)"
and_then=timers_go_on
port_served=$(free_port)
# A child that ends removes the file of its number in /tmp, which its parent and the next children have mapped.
start_service http "$port_served" java -XX:-UsePerfData -Xmx64m Server "$port_served"
serve_twice

// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import dev.tegata.platform.ErrorCode;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Finds the operation for a method and a path: a tree of path segments, literals before parameters, and
/// these before what takes all the rest.
final class Router {
    private static final String REST = "...}";

    private final Node root = new Node();

    /// A route and the values of its template's parameters.
    record Match(Route route, Map<String, String> parameters) {}

    Router(List<Route> routes) {
        routes.forEach(this::add);
    }

    private void add(Route route) {
        Node node = root;
        for (String segment : segments(route.template())) {
            if (segment.endsWith(REST)) {
                if (node.rest == null) {
                    node.rest = new Node();
                }
                node = node.rest;
            } else if (segment.startsWith("{")) {
                if (node.parameter == null) {
                    node.parameter = new Node();
                }
                node = node.parameter;
            } else {
                node = node.literals.computeIfAbsent(segment, _ -> new Node());
            }
        }
        if (node.routes.put(route.method(), route) != null) {
            throw new IllegalArgumentException("two routes for " + route);
        }
    }

    /// @throws ProblemException where nothing is at the path, or it does not know the method
    Match find(String method, String path) {
        List<String> segments = segments(path);
        Node node = find(root, segments, 0);
        if (node == null) {
            throw new ProblemException(new Problem(ErrorCode.NOT_FOUND, "there is nothing at this address"));
        }
        Route route = node.routes.get(method.equals("HEAD") ? "GET" : method);
        if (route == null) {
            throw new ProblemException(new Problem(
                            ErrorCode.METHOD_NOT_ALLOWED,
                            "this address knows " + String.join(", ", node.routes.keySet()))
                    .with("Allow", String.join(", ", node.routes.keySet())));
        }
        return new Match(route, parameters(route, segments));
    }

    private static @Nullable Node find(Node node, List<String> segments, int depth) {
        if (depth == segments.size()) {
            return node.routes.isEmpty() ? null : node;
        }
        Node literal = node.literals.get(segments.get(depth));
        Node found = literal == null ? null : find(literal, segments, depth + 1);
        if (found == null && node.parameter != null && !segments.get(depth).isEmpty()) {
            found = find(node.parameter, segments, depth + 1);
        }
        return found == null ? node.rest : found;
    }

    private static Map<String, String> parameters(Route route, List<String> segments) {
        List<String> names = segments(route.template());
        Map<String, String> parameters = new HashMap<>();
        for (int i = 0; i < names.size(); i++) {
            if (names.get(i).endsWith(REST)) {
                String name = names.get(i).substring(1, names.get(i).length() - REST.length());
                parameters.put(name, decode(String.join("/", segments.subList(i, segments.size()))));
            } else if (names.get(i).startsWith("{")) {
                String name = names.get(i).substring(1, names.get(i).length() - 1);
                parameters.put(name, decode(segments.get(i)));
            }
        }
        return parameters;
    }

    private static String decode(String segment) {
        if (segment.indexOf('%') < 0) {
            return segment;
        }
        try {
            String decoded = URLDecoder.decode(segment.replace("+", "%2B"), StandardCharsets.UTF_8);
            if (decoded.chars().noneMatch(Character::isISOControl)) {
                return decoded;
            }
        } catch (IllegalArgumentException ignored) {
            // Told below, in words for a person.
        }
        throw new ProblemException(
                new Problem(ErrorCode.MALFORMED_REQUEST, "the path has a percent sign that encodes no character"));
    }

    private static List<String> segments(String path) {
        List<String> segments = new ArrayList<>();
        int start = 1;
        while (start <= path.length()) {
            int slash = path.indexOf('/', start);
            int end = slash < 0 ? path.length() : slash;
            segments.add(path.substring(start, end));
            start = end + 1;
        }
        return segments;
    }

    private static final class Node {
        final Map<String, Node> literals = new HashMap<>();
        final Map<String, Route> routes = new TreeMap<>();

        @Nullable
        Node parameter;

        @Nullable
        Node rest;
    }
}

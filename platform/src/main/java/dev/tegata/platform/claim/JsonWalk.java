// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.attestation.json.Json;
import dev.tegata.platform.Texts;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.util.JsonRecyclerPools;

/// Walks through one JSON object, member by member, and builds nothing: a manifest has millions of members
/// of which only some matter.
///
/// Strict: what it passes over must be well-formed too, and a member that is there twice is refused,
/// however deep.
final class JsonWalk {
    private static final int FEW = 16;
    private static final JsonFactory JSON = JsonFactory.builder()
            // Whoever reads elements is one of a few threads that live as long as the server.
            .recyclerPool(JsonRecyclerPools.threadLocalPool())
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(16)
                    .maxStringLength(JsonManifestReader.MAX_ELEMENT)
                    .maxNameLength(256)
                    .maxNumberLength(32)
                    .build())
            .build();

    private final JsonParser parser;
    private final byte[] json;
    private boolean taken;

    private JsonWalk(JsonParser parser, byte[] json) {
        this.parser = parser;
        this.json = json;
    }

    /// Sees each member of an object, in their order. What it does not take is passed over.
    interface Members {
        void member(JsonWalk walk, String name) throws RejectedException;
    }

    /// Sees each item of an array.
    interface Items {
        void item(JsonWalk walk) throws RejectedException;
    }

    /// Walks through the object that `json` is.
    ///
    /// @param what it is called in a rejection
    static void object(byte[] json, String what, Members members) throws RejectedException {
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), json)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw malformed(what + " is not a JSON object");
            }
            new JsonWalk(parser, json).walk(members);
            if (parser.nextToken() != null) {
                throw malformed(what + " goes on after its end");
            }
        } catch (JacksonException e) {
            throw malformed(what + " " + Json.fault(e));
        }
    }

    /// Takes an object.
    void members(String name, Members members) throws RejectedException {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw malformed(name + " is not a JSON object");
        }
        taken = true;
        walk(members);
    }

    /// Takes an array.
    void items(String name, int most, Items items) throws RejectedException {
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw malformed(name + " is not a list");
        }
        taken = true;
        int count = 0;
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (++count > most) {
                throw malformed(name + " has more than " + most + " items");
            }
            taken = false;
            items.item(this);
            passOver();
        }
    }

    /// The text that stands here.
    String text(String name) throws RejectedException {
        requireText(name);
        return parser.getString();
    }

    /// The text that stands here, or null for anything else.
    @Nullable
    String textOrNull() {
        return parser.currentToken() == JsonToken.VALUE_STRING ? parser.getString() : null;
    }

    /// The bytes of the text that stands here, in UTF-8: a copy straight from the file where nothing in it
    /// is escaped, which nothing is in base64.
    byte[] bytes(String name) throws RejectedException {
        requireText(name);
        int from = (int) parser.currentTokenLocation().getByteOffset() + 1;
        int to = from;
        while (to < json.length && json[to] != '"' && json[to] != '\\') {
            to++;
        }
        return to < json.length && json[to] == '"'
                ? Arrays.copyOfRange(json, from, to)
                : parser.getString().getBytes(StandardCharsets.UTF_8);
    }

    /// What the base64url text that stands here encodes.
    byte[] base64Url(String name) throws RejectedException {
        return base64Url(bytes(name), name);
    }

    static byte[] base64Url(byte[] text, String name) throws RejectedException {
        try {
            return Base64.getUrlDecoder().decode(text);
        } catch (IllegalArgumentException e) {
            throw malformed(name + " is not base64url");
        }
    }

    /// The whole number that stands here, or -1 for anything else.
    int numberOrMinusOne() {
        return parser.currentToken() == JsonToken.VALUE_NUMBER_INT
                        && parser.getNumberType() == JsonParser.NumberType.INT
                ? parser.getIntValue()
                : -1;
    }

    private void requireText(String name) throws RejectedException {
        if (parser.currentToken() != JsonToken.VALUE_STRING) {
            throw malformed(name + " is not a text");
        }
    }

    private void walk(Members members) throws RejectedException {
        String[] few = new String[FEW];
        Set<String> many = Set.of();
        int count = 0;
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            if (count == FEW) {
                many = new HashSet<>(Arrays.asList(few));
            }
            if (count < FEW ? isAmong(few, count, name) : !many.add(name)) {
                throw malformed("the member " + Texts.quoted(name) + " is there twice");
            }
            if (count < FEW) {
                few[count] = name;
            }
            count++;
            parser.nextToken();
            taken = false;
            members.member(this, name);
            passOver();
        }
    }

    private static boolean isAmong(String[] names, int count, String name) {
        for (int i = 0; i < count; i++) {
            if (names[i].equals(name)) {
                return true;
            }
        }
        return false;
    }

    /// Goes to the end of the value that stands here, where nobody has taken it.
    private void passOver() throws RejectedException {
        if (taken) {
            return;
        }
        switch (parser.currentToken()) {
            case START_OBJECT -> walk((_, _) -> {});
            case START_ARRAY -> items("a list", Integer.MAX_VALUE, _ -> {});
            case null, default -> {
                // Nothing is inside.
            }
        }
        taken = true;
    }

    static RejectedException malformed(String detail) {
        return new RejectedException(IssueReason.MALFORMED, detail);
    }
}

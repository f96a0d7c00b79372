// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.Texts;
import java.lang.reflect.RecordComponent;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.exc.InputCoercionException;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DatabindException;
import tools.jackson.databind.DeserializationContext;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.cfg.CoercionAction;
import tools.jackson.databind.cfg.CoercionInputShape;
import tools.jackson.databind.cfg.EnumFeature;
import tools.jackson.databind.deser.std.StdDeserializer;
import tools.jackson.databind.exc.UnrecognizedPropertyException;
import tools.jackson.databind.exc.ValueInstantiationException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.module.SimpleModule;
import tools.jackson.databind.type.LogicalType;

/// JSON read strictly into records, and written from them.
///
/// A body is one value of the record's form and nothing else: no unknown or repeated member, no trailing text, no
/// number
/// for a text. A member that is not marked `@Nullable` must be there. Instants are RFC 3339, empty optionals are left
/// out.
public final class Json {
    private static final int DEPTH = 32;
    private static final String OUT_OF_RANGE = "has a value of the wrong type or outside its range";

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(DEPTH)
                            .maxNumberLength(40)
                            .maxNameLength(256)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(EnumFeature.FAIL_ON_NUMBERS_FOR_ENUMS)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
            .withCoercionConfig(
                    LogicalType.Textual,
                    text -> text.setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail)
                            .setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                            .setCoercion(CoercionInputShape.Float, CoercionAction.Fail))
            .addModule(new SimpleModule("times")
                    .addDeserializer(Instant.class, new TextOnly<>(Instant.class, Instant::parse))
                    .addDeserializer(Duration.class, new TextOnly<>(Duration.class, Duration::parse)))
            .changeDefaultPropertyInclusion(inclusion -> inclusion
                    .withValueInclusion(JsonInclude.Include.NON_ABSENT)
                    .withContentInclusion(JsonInclude.Include.NON_ABSENT))
            .build();

    private Json() {}

    /// `value` in UTF-8.
    public static byte[] write(Object value) {
        return MAPPER.writeValueAsBytes(value);
    }

    /// Reads a record.
    ///
    /// @throws RefusedException MALFORMED_REQUEST where the text is no JSON, INVALID_FIELD where it is not of the
    /// record's form
    public static <T extends Record> T read(byte[] json, Class<T> type) {
        T value;
        try {
            value = MAPPER.readValue(json, type);
        } catch (DatabindException e) {
            throw refusal(e);
        } catch (InputCoercionException e) {
            throw invalid(path(e), OUT_OF_RANGE);
        } catch (JacksonException e) {
            throw malformed(e);
        }
        if (value == null) {
            throw new RefusedException(ErrorCode.INVALID_FIELD, "the body is null where an object is expected");
        }
        requireMembers(value, "");
        return value;
    }

    /// Reads a text and nothing else: Jackson would take a number for a time too.
    private static final class TextOnly<T> extends StdDeserializer<T> {
        private final transient Function<String, T> parse;

        TextOnly(Class<T> type, Function<String, T> parse) {
            super(type);
            this.parse = parse;
        }

        @Override
        public T deserialize(JsonParser parser, DeserializationContext context) {
            try {
                if (parser.currentToken() == JsonToken.VALUE_STRING) {
                    return parse.apply(parser.getString());
                }
            } catch (DateTimeException | ArithmeticException ignored) {
                // Said below, with the name of the field.
            }
            return context.reportInputMismatch(
                    handledType(), "not a %s", handledType().getSimpleName());
        }
    }

    private static RefusedException refusal(DatabindException e) {
        if (e.getCause() instanceof RefusedException refused) {
            return refused;
        }
        if (e instanceof ValueInstantiationException && e.getCause() instanceof IllegalArgumentException cause) {
            return invalid(path(e), String.valueOf(cause.getMessage()));
        }
        if (e.getCause() instanceof JacksonException cause && !(cause instanceof DatabindException)) {
            return malformed(cause);
        }
        if (e instanceof UnrecognizedPropertyException) {
            return invalid(path(e), "is not known here");
        }
        if (e.getPath().isEmpty()) {
            return new RefusedException(
                    ErrorCode.MALFORMED_REQUEST, "the body is not one JSON object of the form that is expected here");
        }
        return invalid(path(e), OUT_OF_RANGE);
    }

    private static RefusedException malformed(JacksonException e) {
        String problem = e.getOriginalMessage();
        String where = e.getLocation() == null
                ? ""
                : " at line " + e.getLocation().getLineNr() + ", column "
                        + e.getLocation().getColumnNr();
        String what = problem.contains("Duplicate")
                ? "has a member twice"
                : problem.contains("nesting depth") ? "is nested deeper than " + DEPTH + " levels" : "is no JSON";
        return new RefusedException(ErrorCode.MALFORMED_REQUEST, "the body " + what + where);
    }

    private static RefusedException invalid(String field, String problem) {
        return new RefusedException(ErrorCode.INVALID_FIELD, "the field '" + Texts.quoted(field) + "' " + problem);
    }

    private static String path(JacksonException e) {
        StringBuilder path = new StringBuilder();
        for (JacksonException.Reference reference : e.getPath()) {
            if (reference.getPropertyName() == null) {
                path.append('[').append(reference.getIndex()).append(']');
            } else {
                path.append(path.isEmpty() ? "" : ".").append(reference.getPropertyName());
            }
        }
        return path.toString();
    }

    private static void requireMembers(Record value, String prefix) {
        for (RecordComponent component : value.getClass().getRecordComponents()) {
            String name = prefix + component.getName();
            Object member = member(value, component);
            switch (member) {
                case null -> {
                    if (!component.getAnnotatedType().isAnnotationPresent(Nullable.class)) {
                        throw invalid(name, "is missing");
                    }
                }
                case Record inner -> requireMembers(inner, name + ".");
                case String text -> requireText(text, name);
                case List<?> list -> requireElements(list, name);
                default -> {}
            }
        }
    }

    private static void requireElements(List<?> list, String name) {
        for (int i = 0; i < list.size(); i++) {
            Object element = list.get(i);
            if (element == null) {
                throw invalid(name + "[" + i + "]", "is missing");
            }
            if (element instanceof Record inner) {
                requireMembers(inner, name + "[" + i + "].");
            }
            if (element instanceof String text) {
                requireText(text, name + "[" + i + "]");
            }
        }
    }

    /// What no storage keeps and no display shows is no text.
    private static void requireText(String text, String name) {
        if (text.indexOf('\0') >= 0) {
            throw invalid(name, "holds the character U+0000");
        }
    }

    private static @Nullable Object member(Record value, RecordComponent component) {
        try {
            component.getAccessor().setAccessible(true);
            return component.getAccessor().invoke(value);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("a record's accessor fails: " + component, e);
        }
    }
}

// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.JobId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.TenantId;
import java.util.function.Function;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationContext;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.SerializationContext;
import tools.jackson.databind.cfg.CoercionAction;
import tools.jackson.databind.cfg.CoercionInputShape;
import tools.jackson.databind.cfg.EnumFeature;
import tools.jackson.databind.deser.std.StdDeserializer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.module.SimpleModule;
import tools.jackson.databind.ser.std.StdSerializer;
import tools.jackson.databind.type.LogicalType;

/// JSON, read strictly: unknown and duplicate names, trailing text, deep nesting and silent conversions are
/// errors.
///
/// Identifiers stand as text, [Bytes] as base64, instants in ISO 8601.
public final class Json {
    private static final int MAX_DEPTH = 64;
    private static final int MAX_STRING = 1 << 20;
    private static final long MAX_DOCUMENT = 16L << 20;

    private static final JsonMapper MAPPER = mapperOfOurs();

    private Json() {}

    /// The mapper itself, for those who read from outside and answer its [JacksonException] in their own
    /// words.
    public static JsonMapper mapper() {
        return MAPPER;
    }

    /// The JSON text of `value`, on one line.
    public static String write(Object value) {
        return MAPPER.writeValueAsString(value);
    }

    /// Reads what [#write] has stored.
    ///
    /// @throws IntegrityException where the text is not a `type`
    public static <T> T read(String json, Class<T> type) {
        try {
            T value = MAPPER.readValue(json, type);
            if (value != null) {
                return value;
            }
        } catch (JacksonException e) {
            throw new IntegrityException("a stored " + type.getSimpleName() + " cannot be read", e);
        }
        throw new IntegrityException("a stored " + type.getSimpleName() + " is null");
    }

    private static JsonMapper mapperOfOurs() {
        JsonFactory factory = JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(MAX_DEPTH)
                        .maxStringLength(MAX_STRING)
                        .maxDocumentLength(MAX_DOCUMENT)
                        .build())
                .build();
        return JsonMapper.builder(factory)
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .enable(EnumFeature.FAIL_ON_NUMBERS_FOR_ENUMS)
                .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
                .withCoercionConfig(
                        LogicalType.Textual,
                        text -> text.setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                                .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
                                .setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail))
                .addModule(textForms())
                .build();
    }

    private static SimpleModule textForms() {
        SimpleModule module = new SimpleModule("tegata");
        text(module, Bytes.class, Bytes::base64, Bytes::ofBase64);
        text(module, TenantId.class, TenantId::value, TenantId::new);
        text(module, FleetId.class, FleetId::value, FleetId::new);
        text(module, DeviceId.class, DeviceId::toString, DeviceId::parse);
        text(module, AuthorityId.class, AuthorityId::toString, AuthorityId::parse);
        text(module, ManifestId.class, ManifestId::toString, ManifestId::parse);
        text(module, JobId.class, JobId::toString, JobId::parse);
        return module;
    }

    private static <T> void text(
            SimpleModule module, Class<T> type, Function<T, String> write, Function<String, T> read) {
        module.addSerializer(type, new StdSerializer<T>(type) {
            @Override
            public void serialize(T value, JsonGenerator generator, SerializationContext context) {
                generator.writeString(write.apply(value));
            }
        });
        module.addDeserializer(type, new StdDeserializer<T>(type) {
            @Override
            public T deserialize(JsonParser parser, DeserializationContext context) {
                try {
                    if (parser.hasToken(JsonToken.VALUE_STRING)) {
                        return read.apply(parser.getString());
                    }
                } catch (RuntimeException e) {
                    // Said below, in Jackson's words, with the place in the document.
                }
                return context.reportInputMismatch(type, "not a %s", type.getSimpleName());
            }
        });
    }
}

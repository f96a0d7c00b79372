// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import java.net.InetAddress;
import java.util.Map;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/// An alternative name with gaps, such as `uri:urn:uuid:{device.id}`, `dns:ca.example.com` or `ip:192.0.2.1`.
final class AlternativeNameTemplate {
    private static final String LABEL = "[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?";

    private final TextTemplate text;
    private final Function<String, GeneralName> form;

    private AlternativeNameTemplate(TextTemplate text, Function<String, GeneralName> form) {
        this.text = text;
        this.form = form;
    }

    /// @throws IllegalArgumentException where the text is no such template
    static AlternativeNameTemplate parse(String text) {
        int colon = text.indexOf(':');
        Function<String, GeneralName> form = switch (colon < 0 ? "" : text.substring(0, colon)) {
            case "uri" -> AlternativeNameTemplate::uri;
            case "dns" -> AlternativeNameTemplate::dns;
            case "ip" -> AlternativeNameTemplate::ip;
            default -> throw new IllegalArgumentException("'" + text + "' does not start with uri:, dns: or ip:");
        };
        TextTemplate value = TextTemplate.parse(text.substring(colon + 1), UnaryOperator.identity());
        AlternativeNameTemplate template = new AlternativeNameTemplate(value, form);
        if (value.isLiteral()) {
            GeneralName _ = template.render(Map.of());
        }
        return template;
    }

    /// @throws IllegalArgumentException where a variable has no value, or the result is no such name
    GeneralName render(Map<String, String> variables) {
        return form.apply(text.render(variables));
    }

    private static GeneralName uri(String value) {
        if (!value.matches("[a-zA-Z][a-zA-Z0-9+.-]*:[\\x21-\\x7e&&[^<>\"{}|\\\\^`]]{1,500}")) {
            throw new IllegalArgumentException("'" + value + "' is not a URI of at most 500 characters");
        }
        return new GeneralName.Uri(value);
    }

    private static GeneralName dns(String value) {
        if (value.length() > 253 || !value.matches("(\\*\\.)?" + LABEL + "(\\." + LABEL + ")*")) {
            throw new IllegalArgumentException("'" + value + "' is not a host name");
        }
        return new GeneralName.Dns(value);
    }

    private static GeneralName ip(String value) {
        try {
            // Forms such as 192.0.513 mean different addresses to different readers.
            if (!value.matches("[0-9a-fA-F.]*:[0-9a-fA-F:.]*|\\d+\\.\\d+\\.\\d+\\.\\d+")) {
                throw new IllegalArgumentException("neither four numbers nor IPv6, or with a zone");
            }
            return new GeneralName.Ip(Bytes.of(InetAddress.ofLiteral(value).getAddress()));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("'" + value + "' is not an IP address", e);
        }
    }
}

// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.Texts;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/// Which PostgreSQL to use, and as whom.
///
/// @param jdbcUrl  `jdbc:postgresql://…` without user and password
/// @param user     the role to log in as
/// @param password its password; empty where the server asks for none or the driver finds it in `~/.pgpass`
/// @param poolSize how many connections this node opens at most
public record DatabaseConfig(String jdbcUrl, String user, String password, int poolSize) {
    static final int DEFAULT_POOL_SIZE = 16;

    /// Parameters that libpq and the JDBC driver spell differently.
    private static final Map<String, String> LIBPQ_NAMES =
            Map.of("connect_timeout", "connectTimeout", "application_name", "ApplicationName");

    public DatabaseConfig {
        if (poolSize < 1) {
            throw refused("the pool size must be at least 1, not " + poolSize);
        }
    }

    /// Reads `postgresql://user:password@host:port/database?parameters`, with or without `jdbc:` in front; user and
    /// password may also stand among the parameters.
    ///
    /// @throws RefusedException where the text is something else; the detail does not repeat it, for it may hold
    /// a password
    public static DatabaseConfig parse(String url) {
        String rest = afterScheme(url);
        int question = rest.indexOf('?');
        String place = question < 0 ? rest : rest.substring(0, question);
        Map<String, String> parameters = parameters(question < 0 ? "" : rest.substring(question + 1));

        int at = place.lastIndexOf('@');
        String user = "";
        String password = "";
        if (at >= 0) {
            String userInfo = place.substring(0, at);
            int colon = userInfo.indexOf(':');
            user = decoded(colon < 0 ? userInfo : userInfo.substring(0, colon));
            password = colon < 0 ? "" : decoded(userInfo.substring(colon + 1));
        }
        user = parameters.containsKey("user") ? parameters.remove("user") : user;
        password = parameters.containsKey("password") ? parameters.remove("password") : password;
        String hostAndDatabase = place.substring(at + 1);
        int slash = hostAndDatabase.indexOf('/');
        if (user.isEmpty() || slash <= 0 || slash == hostAndDatabase.length() - 1) {
            throw refused("the database URL must name user, host and database");
        }
        StringBuilder jdbcUrl = new StringBuilder("jdbc:postgresql://").append(hostAndDatabase);
        char separator = '?';
        for (Map.Entry<String, String> parameter : parameters.entrySet()) {
            jdbcUrl.append(separator)
                    .append(parameter.getKey())
                    .append('=')
                    .append(URLEncoder.encode(parameter.getValue(), StandardCharsets.UTF_8));
            separator = '&';
        }
        return new DatabaseConfig(jdbcUrl.toString(), user, password, DEFAULT_POOL_SIZE);
    }

    public DatabaseConfig withPassword(String newPassword) {
        return new DatabaseConfig(jdbcUrl, user, newPassword, poolSize);
    }

    public DatabaseConfig withPoolSize(int newPoolSize) {
        return new DatabaseConfig(jdbcUrl, user, password, newPoolSize);
    }

    /// The URL without its parameters, fit to be shown.
    public String place() {
        int question = jdbcUrl.indexOf('?');
        String withoutParameters = question < 0 ? jdbcUrl : jdbcUrl.substring(0, question);
        return Texts.quoted(withoutParameters.substring("jdbc:".length()));
    }

    /// Names the server and the role, never the password.
    @Override
    public String toString() {
        return "DatabaseConfig[" + place() + ", user=" + user + ", poolSize=" + poolSize + "]";
    }

    private static String afterScheme(String url) {
        String bare = url.startsWith("jdbc:") ? url.substring("jdbc:".length()) : url;
        for (String scheme : new String[] {"postgresql://", "postgres://"}) {
            if (bare.startsWith(scheme)) {
                return bare.substring(scheme.length());
            }
        }
        throw refused("the database URL must have the form postgresql://user:password@host:port/database");
    }

    private static Map<String, String> parameters(String query) {
        Map<String, String> parameters = new TreeMap<>();
        for (String pair : query.split("&")) {
            int equals = pair.indexOf('=');
            if (equals > 0) {
                String name = pair.substring(0, equals);
                parameters.put(LIBPQ_NAMES.getOrDefault(name, name), decoded(pair.substring(equals + 1)));
            } else if (!pair.isEmpty()) {
                throw refused("each parameter of the database URL must have the form name=value");
            }
        }
        return parameters;
    }

    private static String decoded(String text) {
        try {
            return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw refused("the database URL has a broken percent-encoding");
        }
    }

    private static RefusedException refused(String detail) {
        return new RefusedException(ErrorCode.INVALID_FIELD, detail);
    }
}

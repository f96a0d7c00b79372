// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.server.InvalidConfigException;
import dev.tegata.server.ServerConfig;
import dev.tegata.server.Setting;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.ISetter;
import picocli.CommandLine.Model.OptionSpec;

/// The options of commands that are given a server's settings: one for each setting, and one for a file of
/// them.
final class SettingOptions {
    private final Map<Setting, String> settings = new EnumMap<>(Setting.class);
    private @Nullable Path config;

    CommandSpec addTo(CommandSpec spec) {
        spec.addOption(OptionSpec.builder("--config")
                .paramLabel("FILE")
                .type(Path.class)
                .description("YAML file with any of these settings: 'listen: 0.0.0.0'.")
                .setter(new ISetter() {
                    @Override
                    public <T> T set(T value) {
                        config = value instanceof Path path ? path : null;
                        return value;
                    }
                })
                .build());
        for (Setting setting : Setting.values()) {
            if (!setting.isSecret()) {
                spec.addOption(option(setting));
            }
        }
        return spec;
    }

    private OptionSpec option(Setting setting) {
        String fallback = setting.fallback().isEmpty() ? "" : " Default: " + setting.fallback() + ".";
        return OptionSpec.builder("--" + setting.key())
                .paramLabel(label(setting.key()))
                .type(String.class)
                .description(setting.description().replace("%", "%%") + fallback)
                .setter(new ISetter() {
                    @Override
                    public <T> T set(T value) {
                        if (value instanceof String text) {
                            settings.put(setting, text);
                        } else {
                            settings.remove(setting);
                        }
                        return value;
                    }
                })
                .build();
    }

    private static String label(String key) {
        if (key.equals("data")) {
            return "DIR";
        }
        return key.endsWith("-file") ? "FILE" : key.endsWith("-port") ? "PORT" : "VALUE";
    }

    /// The checked settings of the command line, the environment and the file.
    ServerConfig read(Session session) {
        try {
            return ServerConfig.read(settings, session.terminal().environment(), config);
        } catch (InvalidConfigException e) {
            throw CommandFailure.usage("the settings are wrong:\n" + e.getMessage());
        }
    }
}

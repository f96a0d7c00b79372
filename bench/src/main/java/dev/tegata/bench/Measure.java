// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// A measured number.
///
/// @param benchmark whose it is
/// @param what is measured
/// @param limit what the machine itself could do, where there is such a number
/// @param aim what we want, where we want something
record Measure(
        String benchmark,
        String what,
        double value,
        String unit,
        @Nullable Limit limit,
        @Nullable Aim aim) {

    /// The machine's own limit in the unit of the value.
    record Limit(String what, double value) {}

    /// A bound that the value (or its ratio to the limit) is to keep.
    record Aim(String text, boolean met) {}

    Measure of(String whatLimits, double limitValue) {
        return new Measure(benchmark, what, value, unit, new Limit(whatLimits, limitValue), aim);
    }

    Measure atLeast(double bound) {
        return aim("≥ " + number(bound) + " " + unit, value >= bound);
    }

    Measure below(double bound) {
        return aim("< " + number(bound) + " " + unit, value < bound);
    }

    Measure ratioAtLeast(double bound) {
        return aim("ratio ≥ " + Math.round(bound * 100) + " %", ratio() >= bound);
    }

    private Measure aim(String text, boolean met) {
        return new Measure(benchmark, what, value, unit, limit, new Aim(text, met));
    }

    /// The value as a part of the limit; 0 where there is none.
    double ratio() {
        return limit == null ? 0 : value / limit.value();
    }

    /// A number as a person wants to read it: three digits, more where they stand before the point.
    static String number(double value) {
        int decimals = value == Math.rint(value) || value >= 100 ? 0 : value >= 10 ? 1 : 2;
        return String.format(Locale.ROOT, "%,." + decimals + "f", value);
    }
}

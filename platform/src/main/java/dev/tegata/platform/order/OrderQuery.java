// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.order;

import dev.tegata.platform.DeviceId;
import org.jspecify.annotations.Nullable;

/// Which orders are wanted; what is null does not matter.
public record OrderQuery(
        @Nullable DeviceId device, @Nullable OrderState state) {}

//! What a point must hold to by itself and with its device. Pure; what needs other points is in `points`.

use types::{Device, Fault, Point, ValueType, WritePolicy, codes};

use crate::names::{check_bounds, check_key, check_label, check_unit};
use crate::type_check::{check_states, measures};
use crate::{AddressCheck, AddressVerdict};

/// Characters of an address before the driver sees it.
const ADDRESS_CHARS_MAX: usize = 200;
/// Most commands a minute that a point may be given.
const COMMANDS_PER_MINUTE_MAX: u32 = 600;

/// Checks everything and brings unit and address to their stored form. `device` is the point's, already found.
/// Faults lie below `path`.
pub(crate) fn check_point(
    point: &mut Point,
    device: Option<&Device>,
    drivers: &dyn AddressCheck,
    path: &str,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(check_key(&point.name, &format!("{path}/name")).err());
    faults.extend(check_label(&point.label, &format!("{path}/label")).err());
    faults.extend(check_measure(point, path).err());
    faults.extend(check_scaling(point, path).err());
    faults.extend(check_range(point, path).err());
    faults.extend(check_states(&point.states, point.value_type, &format!("{path}/states")).err());
    if !(Point::PERIOD_MS_MIN..=Point::PERIOD_MS_MAX).contains(&point.period_ms) {
        let (min, max) = (Point::PERIOD_MS_MIN, Point::PERIOD_MS_MAX);
        let detail = format!("a period of {} ms: choose {min} to {max} ms", point.period_ms);
        let fault = Fault::new("point.period", detail).arg("min", min).arg("max", max);
        faults.push(fault.at(format!("{path}/period_ms")));
    }
    let verdict = match device {
        Some(device) => match check_address(point, device, drivers, path) {
            Ok(verdict) => Some(verdict),
            Err(fault) => {
                faults.push(fault);
                None
            }
        },
        None => {
            faults.extend(check_without_device(point, path).err());
            None
        }
    };
    if let Some(write) = point.write {
        faults.extend(check_write(point, &write, verdict.as_ref(), path).err());
    }
    if let Some(verdict) = verdict {
        point.address = verdict.canonical;
    }
    faults
}

fn check_measure(point: &mut Point, path: &str) -> Result<(), Fault> {
    let path = format!("{path}/unit");
    point.unit = check_unit(&point.unit, &path)?.to_string();
    if point.unit == "1" || measures(point.value_type) {
        return Ok(());
    }
    let detail = format!("a {:?} value has no unit: leave the unit out", point.value_type);
    Err(Fault::new(codes::INVALID, detail).at(path))
}

fn check_scaling(point: &Point, path: &str) -> Result<(), Fault> {
    let Some(scaling) = point.scaling else { return Ok(()) };
    if scaling.gain == 0.0 || !scaling.gain.is_finite() || !scaling.offset.is_finite() {
        let detail = format!("a gain of {} makes every value the same: enter another number", scaling.gain);
        return Err(Fault::new("point.scaling", detail).at(format!("{path}/scaling/gain")));
    }
    if point.value_type != ValueType::F64 {
        let detail = "a scaled value is an f64: set the type to f64, or leave the scaling out";
        let fault = Fault::new("point.type-mismatch", detail).arg("value_type", "f64");
        return Err(fault.at(format!("{path}/value_type")));
    }
    Ok(())
}

fn check_range(point: &Point, path: &str) -> Result<(), Fault> {
    let Some([low, high]) = point.range else { return Ok(()) };
    let path = format!("{path}/range");
    if !measures(point.value_type) {
        let detail = format!("a {:?} value has no range: leave the range out", point.value_type);
        return Err(Fault::new(codes::INVALID, detail).at(path));
    }
    check_bounds(low, high, &path)
}

fn check_without_device(point: &Point, path: &str) -> Result<(), Fault> {
    let (member, detail) = if !point.address.is_empty() {
        ("address", "a point without a device has no address: choose the device, or leave the address out")
    } else if point.scaling.is_some() {
        ("scaling", "a point without a device has no raw value to scale: leave the scaling out")
    } else if point.write.is_some() {
        ("write", "a point without a device cannot be commanded: leave the write policy out")
    } else {
        return Ok(());
    };
    Err(Fault::new("point.no-device", detail).at(format!("{path}/{member}")))
}

fn check_address(
    point: &Point,
    device: &Device,
    drivers: &dyn AddressCheck,
    path: &str,
) -> Result<AddressVerdict, Fault> {
    let place = format!("{path}/address");
    if point.address.trim().is_empty() {
        let detail = format!("the point is read from `{}`, so it needs an address: enter one", device.name);
        return Err(Fault::new("point.no-address", detail).at(place));
    }
    if point.address.chars().count() > ADDRESS_CHARS_MAX {
        let detail = format!("the address is longer than {ADDRESS_CHARS_MAX} characters: shorten it");
        return Err(Fault::new(codes::LIMIT, detail).arg("limit", ADDRESS_CHARS_MAX).at(place));
    }
    let verdict =
        drivers.check_address(&device.driver, &point.address).map_err(|fault| fault.at(place.clone()))?;
    if verdict.canonical.chars().count() > 2 * ADDRESS_CHARS_MAX {
        let detail = format!("the address is longer than {ADDRESS_CHARS_MAX} characters: shorten it");
        return Err(Fault::new(codes::LIMIT, detail).arg("limit", ADDRESS_CHARS_MAX).at(place));
    }
    let native = verdict.value_type;
    if point.scaling.is_some() {
        if native.is_numeric() {
            return Ok(verdict);
        }
        let detail = format!(
            "`{}` gives a {native:?} value, which cannot be scaled: leave the scaling out",
            verdict.canonical
        );
        return Err(Fault::new("point.scaling", detail).at(format!("{path}/scaling")));
    }
    if native == point.value_type {
        return Ok(verdict);
    }
    let offered = native.name();
    let detail = format!(
        "`{}` gives {offered} values, not {}: set the type to {offered}, or change the address",
        verdict.canonical,
        point.value_type.name()
    );
    Err(Fault::new("point.type-mismatch", detail)
        .arg("address", verdict.canonical.as_str())
        .arg("value_type", offered)
        .at(format!("{path}/value_type")))
}

fn check_write(
    point: &Point,
    write: &WritePolicy,
    verdict: Option<&AddressVerdict>,
    path: &str,
) -> Result<(), Fault> {
    let place = format!("{path}/write");
    if verdict.is_some_and(|verdict| !verdict.writable) {
        let detail = format!(
            "`{}` can only be read: leave the write policy out, or change the address",
            point.address
        );
        return Err(Fault::new("point.not-writable", detail)
            .arg("address", point.address.as_str())
            .at(place));
    }
    // Text carries the arguments of a method; range and step do not apply to it.
    if point.value_type == ValueType::Bytes {
        let detail = "bytes cannot be written: leave the write policy out, or choose another type";
        return Err(Fault::new("point.not-writable", detail).at(place));
    }
    check_bounds(write.min, write.max, &format!("{place}/min"))?;
    if write.step.is_some_and(|step| !step.is_finite() || step <= 0.0) {
        let detail = "the step must be above 0: enter one, or leave it out for any change";
        return Err(Fault::new(codes::INVALID, detail).at(format!("{place}/step")));
    }
    if !(1..=COMMANDS_PER_MINUTE_MAX).contains(&write.per_minute) {
        let detail = format!("{} commands a minute: choose 1 to {COMMANDS_PER_MINUTE_MAX}", write.per_minute);
        return Err(Fault::new(codes::INVALID, detail).at(format!("{place}/per_minute")));
    }
    Ok(())
}

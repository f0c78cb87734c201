//! The columns of a point list and the headings they go by, in English and Chinese. Pure.

/// One column. The order is that of an exported list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Column {
    Device,
    Name,
    LabelZh,
    LabelEn,
    Address,
    ValueType,
    Unit,
    Asset,
    PeriodMs,
    Gain,
    Offset,
    Low,
    High,
    States,
    WriteMin,
    WriteMax,
    WriteStep,
    WritePerMinute,
}

use Column as C;

/// Column, heading in exported lists, other headings that are understood (without case, spaces and brackets).
pub(crate) const COLUMNS: [(Column, &str, &[&str]); 18] = [
    (C::Device, "device", &["设备", "接入设备", "设备名称"]),
    (
        C::Name,
        "name",
        &["名称", "测点", "测点名", "测点名称", "点名", "标签", "标签名", "变量名", "point", "tag"],
    ),
    (C::LabelZh, "label_zh", &["中文名", "中文名称", "描述", "显示名", "说明"]),
    (C::LabelEn, "label_en", &["英文名", "英文名称", "label", "description"]),
    (C::Address, "address", &["地址", "寄存器", "寄存器地址", "点地址", "register"]),
    (C::ValueType, "type", &["类型", "数据类型", "值类型", "value_type", "datatype", "data type"]),
    (C::Unit, "unit", &["单位", "工程单位"]),
    (C::Asset, "asset", &["所属", "所属设备", "资产", "位置"]),
    (C::PeriodMs, "period_ms", &["周期", "周期ms", "采集周期", "采集周期ms", "period"]),
    (C::Gain, "gain", &["系数", "倍率", "增益", "scale"]),
    (C::Offset, "offset", &["偏移", "偏移量"]),
    (C::Low, "low", &["下限", "量程下限", "min"]),
    (C::High, "high", &["上限", "量程上限", "max"]),
    (C::States, "states", &["状态", "状态名", "状态含义"]),
    (C::WriteMin, "write_min", &["下发下限", "写入下限"]),
    (C::WriteMax, "write_max", &["下发上限", "写入上限"]),
    (C::WriteStep, "write_step", &["下发步长", "写入步长"]),
    (C::WritePerMinute, "write_per_minute", &["每分钟下发次数", "每分钟写入次数"]),
];

impl Column {
    /// The heading in exported lists and in faults.
    pub(crate) fn heading(self) -> &'static str {
        COLUMNS.iter().find(|(column, ..)| *column == self).map_or("", |(_, heading, _)| heading)
    }

    /// By any heading that is understood.
    pub(crate) fn of_heading(text: &str) -> Option<Column> {
        let wanted = plain(text);
        let known = |(_, heading, others): &&(Column, &str, &[&str])| {
            plain(heading) == wanted || others.iter().any(|other| plain(other) == wanted)
        };
        COLUMNS.iter().find(known).map(|(column, ..)| *column)
    }
}

/// `Period (ms)` is `period_ms` is `PeriodMs`.
fn plain(text: &str) -> String {
    let skipped = |c: &char| c.is_whitespace() || "_-()（）[]".contains(*c);
    text.chars().filter(|c| !skipped(c)).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_understood_and_never_ambiguous() {
        let all: Vec<_> = COLUMNS
            .iter()
            .flat_map(|(column, heading, others)| others.iter().chain([heading]).map(|text| (*column, *text)))
            .collect();
        for (column, text) in &all {
            assert_eq!(Column::of_heading(text), Some(*column), "{text}");
        }
        for (text, column) in
            [(" Period (ms)", C::PeriodMs), ("采集周期（ms）", C::PeriodMs), ("NAME", C::Name)]
        {
            assert_eq!(Column::of_heading(text), Some(column));
        }
        assert_eq!(Column::of_heading("remark"), None);
    }
}

//! driver-modbus

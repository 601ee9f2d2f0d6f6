//! Numbers of the PowerPC External Interrupt option (LoPAR 7.3.10).

/// The least favoured priority: a source with it is never presented (LoPAR R1-7.3.10.3-5).
pub const LEAST_FAVORED_PRIORITY: u8 = 0xff;

/// Functions of `ibm,change-msi`, its fourth input (LoPAR Table 7.57).
pub mod change_msi {
    /// How many are assigned.
    pub const QUERY: u32 = 0;
    /// Change the number, MSI or MSI-X as the platform likes.
    pub const CHANGE: u32 = 1;
    /// Back to the default number.
    pub const RESET: u32 = 2;
    /// Change the number of MSIs.
    pub const CHANGE_MSI: u32 = 3;
    /// Change the number of MSI-X interrupts.
    pub const CHANGE_MSIX: u32 = 4;
    /// Change the number of 32-bit MSIs.
    pub const CHANGE_32_BIT_MSI: u32 = 5;
}

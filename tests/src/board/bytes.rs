//! The C functions on bytes that the compiler calls. In assembly, since the compiler would turn
//! such loops in Rust into calls of themselves. Weak: a compiler_builtins that has them wins.

core::arch::global_asm!(
    r#"
    .text
    .weak   memcpy
    .weak   memmove
    .weak   memset
    .weak   memcmp
    .weak   bcmp
    .balign 16
memmove: // r3 = destination, r4 = source, r5 = length
    subf    6, 4, 3
    cmpld   6, 5
    bge     memcpy
    cmpldi  5, 0
    beqlr
    mtctr   5
    add     6, 3, 5
    add     4, 4, 5
1:  lbzu    7, -1(4)
    stbu    7, -1(6)
    bdnz    1b
    blr
memcpy: // eight bytes at a time, whatever the alignment, then the rest
    srdi.   7, 5, 3
    mr      6, 3
    beq     2f
    mtctr   7
    addi    6, 3, -8
    addi    4, 4, -8
1:  ldu     7, 8(4)
    stdu    7, 8(6)
    bdnz    1b
    addi    6, 6, 8
    addi    4, 4, 8
2:  andi.   5, 5, 7
    beqlr
    mtctr   5
    addi    6, 6, -1
    addi    4, 4, -1
3:  lbzu    7, 1(4)
    stbu    7, 1(6)
    bdnz    3b
    blr
memset: // r3 = destination, r4 = byte, r5 = length
    rldicl  4, 4, 0, 56
    rldimi  4, 4, 8, 48
    rldimi  4, 4, 16, 32
    rldimi  4, 4, 32, 0
    srdi.   7, 5, 3
    mr      6, 3
    beq     2f
    mtctr   7
    addi    6, 3, -8
1:  stdu    4, 8(6)
    bdnz    1b
    addi    6, 6, 8
2:  andi.   5, 5, 7
    beqlr
    mtctr   5
    addi    6, 6, -1
3:  stbu    4, 1(6)
    bdnz    3b
    blr
memcmp: // r3, r4 = the two, r5 = length
bcmp:
    cmpldi  5, 0
    beq     2f
    mtctr   5
    addi    6, 3, -1
    addi    4, 4, -1
1:  lbzu    7, 1(6)
    lbzu    8, 1(4)
    subf.   3, 8, 7
    bnelr
    bdnz    1b
2:  li      3, 0
    blr
"#
);

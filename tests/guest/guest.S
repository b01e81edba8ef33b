# The demo guest: a whole operating system of 3 sectors that proves that its disk arrived.
#
# It greets on the first serial port (115200 8N1), reads the start of its partition through the
# BIOS, compares the sum of its 32-bit words with the one written when the disk was made, and then
# counts seconds.  make-guest puts the name, the sum and the data in.
#
# Real mode.  Sector 0 holds the loader and the partition table; sectors 1 and 2 the rest, loaded
# behind it at 0x7e00.  Runs under SeaBIOS from any disk it can boot.

 .code16
 .globl _start

 .equ COM1, 0x3f8
 .equ TICKS, 0x46c            # the BIOS counts 18.2 per second here
 .equ CHECK_SEGMENT, 0x1000   # where data is read to
 .equ CHECK_SECTORS, 64       # per read: 32 KiB stay inside one segment
 .equ CHECK_ROUNDS, 2
 .equ DATA_LBA, 2048          # the partition's first sector

_start:
 ljmp $0, $start              # some BIOSes start us at 07c0:0000
start:
 cli
 xorw %ax, %ax
 movw %ax, %ds
 movw %ax, %es
 movw %ax, %ss
 movw $0x7c00, %sp
 sti
 cld
 movb %dl, drive
 movw $packet, %si            # sectors 1 and 2 to 0000:7e00
 movb $0x42, %ah
 int $0x13
 jc 1f
 jmp stage2
1: hlt
 jmp 1b

 .balign 4
packet:                       # of INT 13h, AH=42h
 .byte 16, 0
packet_count: .word 2
packet_offset: .word 0x7e00
packet_segment: .word 0
packet_lba: .quad 1
drive: .byte 0

 .org 446                     # the partition table
 .byte 0x80, 0xfe, 0xff, 0xff # active
 .byte 0x83, 0xfe, 0xff, 0xff # Linux
 .long DATA_LBA
 .long @PARTITION_SECTORS@
 .org 510
 .word 0xaa55

stage2:
 call serial_init
 movw $hello, %si
 call print
 call check_disk
 movw $ok, %si
 jnc 1f
 movw $bad, %si
1: call print

count:
 incl seconds
 movw $tick, %si
 call print
 movl seconds, %eax
 call print_number
 movw $newline, %si
 call print
 movl TICKS, %ebp
 addl $18, %ebp
1: hlt
 cmpl %ebp, TICKS
 jb 1b
 jmp count

# Carry is set if the data cannot be read or its sum is wrong.
check_disk:
 movw $CHECK_SECTORS, packet_count
 movw $0, packet_offset
 movw $CHECK_SEGMENT, packet_segment
 movl $DATA_LBA, packet_lba
 xorl %ebx, %ebx              # the sum
 movw $CHECK_ROUNDS, %di
1: movw $packet, %si
 movb drive, %dl
 movb $0x42, %ah
 pushw %di
 pushl %ebx
 int $0x13
 popl %ebx
 popw %di
 jc 3f
 movw $CHECK_SEGMENT, %ax
 movw %ax, %es
 xorw %si, %si
 movw $(CHECK_SECTORS * 128), %cx
2: addl %es:(%si), %ebx
 addw $4, %si
 loop 2b
 addl $CHECK_SECTORS, packet_lba
 decw %di
 jnz 1b
 cmpl data_sum, %ebx
 je 4f
 stc
3: ret
4: clc
 ret

serial_init:
 movw $port_setup, %si
1: lodsw
 testw %ax, %ax
 jz 2f
 movw %ax, %dx
 lodsb
 outb %al, %dx
 jmp 1b
2: ret

# Prints the text at SI.
print:
 lodsb
 testb %al, %al
 jz 1f
 call print_char
 jmp print
1: ret

# Prints EAX in decimal.
print_number:
 movl $10, %ebx
 xorw %cx, %cx
1: xorl %edx, %edx
 divl %ebx
 pushw %dx
 incw %cx
 testl %eax, %eax
 jnz 1b
2: popw %ax
 addb $'0', %al
 call print_char
 loop 2b
 ret

print_char:
 movb %al, %ah
 movw $(COM1 + 5), %dx
1: inb %dx, %al
 testb $0x20, %al
 jz 1b
 movb %ah, %al
 movw $COM1, %dx
 outb %al, %dx
 ret

port_setup:                   # port, value; 0 ends
 .word COM1 + 1
 .byte 0x00                   # no interrupts
 .word COM1 + 3
 .byte 0x80                   # the next two are the divisor
 .word COM1
 .byte 1
 .word COM1 + 1
 .byte 0
 .word COM1 + 3
 .byte 0x03                   # 8 bits, no parity, 1 stop
 .word COM1 + 2
 .byte 0x07                   # clear the queues
 .word 0

seconds: .long 0
data_sum: .long @DATA_SUM@
hello: .asciz "\r\ngantry demo guest: hello from @NAME@, disk "
ok: .asciz "ok\r\n"
bad: .asciz "DAMAGED\r\n"
tick: .asciz "gantry demo guest: second "
newline: .asciz "\r\n"

 .org 3 * 512

// The least program there is: what is left of a run's time is the runtime's.
        .globl  _start
_start: movl    $60, %eax       // exit,
        xorl    %edi, %edi      // with 0
        syscall
